/* What the header promises: api PROJECT, the folder of the project. */
#include "check.h"

/* d = a - b; at = NonZero(d): [2,3] each, and as many indices as d has elements that are not zero. */
static const char SUB[] =
    "\010\010:x\012\016\012\001a\012\001b\022\001d\042\003Sub\012\020\012\001d\022\002at\042\007NonZero\022\001g"
    "Z\023\012\001a\022\016\012\014\010\001\022\010\012\002\010\002\012\002\010\003"
    "Z\023\012\001b\022\016\012\014\010\001\022\010\012\002\010\002\012\002\010\003"
    "b\023\012\001d\022\016\012\014\010\001\022\010\012\002\010\002\012\002\010\003"
    "b\022\012\002at\022\014\012\012\010\007\022\006\012\002\010\002\012\000B\004\012\000\020\015";

static void tensors_are_described(const sepconv_compiled *compiled) {
    size_t count = 7;
    const sepconv_tensor *inputs = sepconv_inputs(compiled, &count);
    CHECK(count == 2 && strcmp(inputs[0].name, "a") == 0 && strcmp(inputs[1].name, "b") == 0);
    CHECK(inputs[0].dtype == SEPCONV_DTYPE_F32 && inputs[0].size == 24 && inputs[0].scale == 0);
    CHECK(inputs[0].rank == 2 && inputs[0].shape[0] == 2 && inputs[0].shape[1] == 3);
    const sepconv_tensor *outputs = sepconv_outputs(compiled, &count);
    CHECK(count == 2 && strcmp(outputs[1].name, "at") == 0);
    CHECK(outputs[1].dtype == SEPCONV_DTYPE_I64 && outputs[1].size == 96);
    CHECK(sepconv_outputs(compiled, NULL) == outputs);
    CHECK(sepconv_inputs(NULL, &count) == NULL && count == 0);
    CHECK(sepconv_unused_tuning(compiled) == NULL && sepconv_unused_tuning(NULL) == NULL);
}

static void runs_take_tensors_by_position_and_name(sepconv_session *session) {
    float a[6] = {1, 2, 3, 4, 5, 6}, b[6] = {1, 2, 0, 4, 1, 6}, d[6];
    const float expected[6] = {0, 0, 3, 0, 4, 0};
    int64_t at[12];
    sepconv_input inputs[2] = {{NULL, a, sizeof a}, {NULL, b, sizeof b}};
    sepconv_output outputs[2] = {{NULL, d, sizeof d, 0}, {NULL, at, sizeof at, 0}};
    CHECK(sepconv_run(session, inputs, 2, outputs, 2) == SEPCONV_STATUS_OK);
    CHECK(memcmp(d, expected, sizeof d) == 0 && outputs[0].written == sizeof d);
    /* Rows, then columns, of the two that are not zero. */
    CHECK(outputs[1].written == 4 * sizeof at[0] && at[0] == 0 && at[1] == 1 && at[2] == 2 && at[3] == 1);

    memset(d, 0, sizeof d);
    sepconv_input named[2] = {{"b", b, sizeof b}, {"a", a, sizeof a}};
    sepconv_output swapped[2] = {{"at", at, sizeof at, 0}, {"d", d, sizeof d, 0}};
    CHECK(sepconv_run(session, named, 2, swapped, 2) == SEPCONV_STATUS_OK);
    CHECK(memcmp(d, expected, sizeof d) == 0 && swapped[0].written == 4 * sizeof at[0]);
    CHECK(sepconv_reset(session) == SEPCONV_STATUS_OK);
}

static void unfit_tensors_are_errors(sepconv_session *session) {
    float a[6] = {0}, b[6] = {0}, d[7] = {0};
    int64_t at[12];
    sepconv_input inputs[2] = {{NULL, a, sizeof a}, {NULL, b, sizeof b}};
    sepconv_output outputs[2] = {{NULL, d, 24, 0}, {NULL, at, sizeof at, 0}};
#define REFUSES(word) CHECK_FAILS(sepconv_run(session, inputs, 2, outputs, 2), SEPCONV_STATUS_ARGUMENT, word)
    CHECK_FAILS(sepconv_run(NULL, inputs, 2, outputs, 2), SEPCONV_STATUS_ARGUMENT, "session is NULL");
    CHECK_FAILS(sepconv_run(session, NULL, 2, outputs, 2), SEPCONV_STATUS_ARGUMENT, "inputs is NULL");
    CHECK_FAILS(sepconv_run(session, inputs, 1, outputs, 2), SEPCONV_STATUS_ARGUMENT, "expected 2, got 1");
    CHECK_FAILS(sepconv_run(session, inputs, 2, outputs, (size_t)-1), SEPCONV_STATUS_ARGUMENT, "larger than memory");
    CHECK_FAILS(sepconv_run(session, inputs, 2, NULL, 0), SEPCONV_STATUS_ARGUMENT, "outputs");
    inputs[0].size = 20;
    REFUSES("expected 24 bytes (f32 [2,3]), got 20 bytes");
    inputs[0].size = sizeof a, inputs[0].data = NULL;
    REFUSES("NULL");
    inputs[0].data = a, inputs[1].name = "c";
    REFUSES("expected \"a\" or \"b\", got \"c\"");
    inputs[1].name = "a";
    REFUSES("input occurs twice");
    inputs[1].name = "\xff";
    REFUSES("UTF-8");
    inputs[1].name = NULL, inputs[1].data = (const char *)b + 1, inputs[1].size = 24;
    REFUSES("not aligned");
    inputs[1].data = b, outputs[0].data = a + 3;
    REFUSES("overlaps");
    outputs[0].data = (char *)d + 2;
    REFUSES("not aligned");
    outputs[0].data = d, outputs[0].size = sizeof d;
    REFUSES("expected 24 bytes");
    outputs[0].size = 24;
    CHECK(sepconv_run(session, inputs, 2, outputs, 2) == SEPCONV_STATUS_OK);
    CHECK_FAILS(sepconv_reset(NULL), SEPCONV_STATUS_ARGUMENT, "NULL");
}

static void options_are_checked(const sepconv_model *model, const char *project) {
    sepconv_compiled *compiled = NULL;
    sepconv_options options = {0};
#define FAILS(status, word) \
    CHECK_FAILS(sepconv_compile(model, &options, &compiled), status, word); \
    CHECK(compiled == NULL); \
    memset(&options, 0, sizeof options)
    options.threads = 1000;
    FAILS(SEPCONV_STATUS_ARGUMENT, "1 to 256");
    options.isa = "mmx";
    FAILS(SEPCONV_STATUS_ARGUMENT, "mmx");
    options.max_memory = 8;
    FAILS(SEPCONV_STATUS_LIMIT, "");
    options.tuned = "missing.json";
    FAILS(SEPCONV_STATUS_IO, "missing.json");
    options.shape_count = 1;
    FAILS(SEPCONV_STATUS_ARGUMENT, "options.shapes is NULL");
    sepconv_input_shape shape = {"c", 2, {2, 3}};
    options.shapes = &shape, options.shape_count = 1;
    FAILS(SEPCONV_STATUS_ARGUMENT, "c");
    shape.rank = 9;
    options.shapes = &shape, options.shape_count = 1;
    FAILS(SEPCONV_STATUS_ARGUMENT, "at most 8");
    shape.name = NULL, shape.rank = 2;
    options.shapes = &shape, options.shape_count = 1;
    FAILS(SEPCONV_STATUS_ARGUMENT, "NULL");

    sepconv_model *image = NULL;
    CHECK(sepconv_model_open(in_project(project, "examples/colors.onnx"), NULL, &image) == 0);
    options.batch = 3, options.threads = 2, options.isa = "scalar";
    CHECK(sepconv_compile(image, &options, &compiled) == 0);
    CHECK(sepconv_inputs(compiled, NULL)[0].shape[0] == 3 && sepconv_outputs(compiled, NULL)[0].shape[0] == 3);
    sepconv_compiled_free(compiled);
    sepconv_model_free(image);
}

/* Every prefix of a file, and the file with each of its first bytes changed. */
static void broken_models_are_errors(const char *project) {
    size_t size;
    unsigned char *bytes = read_file(in_project(project, "examples/colors.onnx"), &size);
    sepconv_model *model = NULL;
    sepconv_compiled *compiled = NULL;
    sepconv_options options = {0};
    options.max_memory = 10000000, options.threads = 1;
    for (size_t i = 0; i < size; i++) {
        /* A copy of its own, so that reads beyond it are seen. */
        unsigned char *prefix = (unsigned char *)malloc(i ? i : 1);
        CHECK(prefix != NULL);
        memcpy(prefix, bytes, i);
        sepconv_status status = sepconv_model_from_bytes(prefix, i, &model);
        free(prefix);
        status = status ? status : sepconv_compile(model, &options, &compiled);
        CHECK(status != SEPCONV_STATUS_OK && status != SEPCONV_STATUS_INTERNAL && *sepconv_error() != '\0');
        sepconv_model_free(model);

        bytes[i] ^= 0x55;
        status = sepconv_model_from_bytes(bytes, size, &model);
        bytes[i] ^= 0x55;
        status = status ? status : sepconv_compile(model, &options, &compiled);
        CHECK(status != SEPCONV_STATUS_INTERNAL);
        sepconv_compiled_free(compiled);
        sepconv_model_free(model);
        compiled = NULL;
    }
    free(bytes);
    CHECK_FAILS(sepconv_model_open("missing.onnx", NULL, &model), SEPCONV_STATUS_IO, "missing.onnx");
    CHECK_FAILS(sepconv_model_open(in_project(project, "LICENSE-MIT"), NULL, &model), SEPCONV_STATUS_MALFORMED, "LICENSE-MIT");
    CHECK(model == NULL);
}

static void null_is_an_error_or_nothing(void) {
    sepconv_model *model = NULL;
    sepconv_compiled *compiled = NULL;
    sepconv_session *session = NULL;
    sepconv_classifier *classifier = NULL;
    sepconv_prediction best[1];
    size_t count = 1;
    CHECK_FAILS(sepconv_model_open(NULL, NULL, &model), SEPCONV_STATUS_ARGUMENT, "path is NULL");
    CHECK_FAILS(sepconv_model_open("m.onnx", NULL, NULL), SEPCONV_STATUS_ARGUMENT, "NULL");
    CHECK_FAILS(sepconv_model_from_bytes(NULL, 1, &model), SEPCONV_STATUS_ARGUMENT, "bytes is NULL");
    CHECK_FAILS(sepconv_model_from_bytes(NULL, 0, &model), SEPCONV_STATUS_MALFORMED, "empty");
    CHECK_FAILS(sepconv_compile(NULL, NULL, &compiled), SEPCONV_STATUS_ARGUMENT, "model is NULL");
    CHECK_FAILS(sepconv_session_new(NULL, &session), SEPCONV_STATUS_ARGUMENT, "compiled is NULL");
    CHECK_FAILS(sepconv_classifier_new(NULL, NULL, NULL, NULL, &classifier), SEPCONV_STATUS_ARGUMENT, "model is NULL");
    CHECK_FAILS(sepconv_classifier_clone(NULL, &classifier), SEPCONV_STATUS_ARGUMENT, "classifier is NULL");
    CHECK_FAILS(sepconv_classify_file(NULL, "x.png", best, &count), SEPCONV_STATUS_ARGUMENT, "classifier is NULL");
    CHECK(model == NULL && compiled == NULL && session == NULL && classifier == NULL);
    sepconv_model_free(NULL);
    sepconv_compiled_free(NULL);
    sepconv_session_free(NULL);
    sepconv_classifier_free(NULL);
}

static void images_are_classified(const char *project) {
    sepconv_model *model = NULL;
    sepconv_classifier *colors = NULL, *clone = NULL;
    char labels[4096];
    snprintf(labels, sizeof labels, "%s/examples/colors.txt", project);
    CHECK(sepconv_model_open(in_project(project, "examples/colors.onnx"), NULL, &model) == 0);
    CHECK_FAILS(sepconv_classifier_new(model, NULL, "tofu", NULL, &colors), SEPCONV_STATUS_ARGUMENT, "tofu");
    CHECK_FAILS(sepconv_classifier_new(model, NULL, NULL, "missing.txt", &colors), SEPCONV_STATUS_IO, "missing.txt");
    CHECK(sepconv_classifier_new(model, NULL, NULL, NULL, &colors) == 0);
    unsigned char red[2 * 2 * 3] = {255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0};
    sepconv_prediction best[10];
    size_t count = 1;
    CHECK(sepconv_classify_rgb(colors, red, 2, 2, best, &count) == 0);
    CHECK(count == 1 && best[0].output == 2 && best[0].class_index == 2 && best[0].label == NULL);
    sepconv_classifier_free(colors);

    CHECK(sepconv_classifier_new(model, NULL, "torch", labels, &colors) == 0);
    sepconv_model_free(model);
    CHECK(sepconv_classifier_clone(colors, &clone) == 0);
    sepconv_classifier_free(colors);
    count = 10;
    CHECK(sepconv_classify_rgb(clone, red, 2, 2, best, &count) == 0);
    CHECK(count == 6 && strcmp(best[0].label, "red") == 0 && best[0].score > 0.9f && best[1].score <= best[0].score);

    const char *image = in_project(project, "examples/chelsea.png");
    size_t size;
    unsigned char *bytes = read_file(image, &size);
    sepconv_prediction of_file[6], of_bytes[6];
    size_t files = 6, memory = 6;
    CHECK(sepconv_classify_file(clone, image, of_file, &files) == 0);
    CHECK(sepconv_classify_bytes(clone, bytes, size, of_bytes, &memory) == 0 && files == 6 && memory == 6);
    for (size_t i = 0; i < 6; i++) {
        CHECK(of_file[i].output == of_bytes[i].output && of_file[i].score == of_bytes[i].score);
    }

    CHECK_FAILS(sepconv_classify_bytes(clone, bytes, size / 2, best, &count), SEPCONV_STATUS_MALFORMED, "");
    CHECK_FAILS(sepconv_classify_bytes(clone, "text", 4, best, &count), SEPCONV_STATUS_MALFORMED, "image");
    CHECK_FAILS(sepconv_classify_file(clone, "missing.png", best, &count), SEPCONV_STATUS_IO, "missing.png");
    CHECK_FAILS(sepconv_classify_file(clone, image, NULL, &count), SEPCONV_STATUS_ARGUMENT, "predictions is NULL");
    CHECK_FAILS(sepconv_classify_file(clone, image, best, NULL), SEPCONV_STATUS_ARGUMENT, "count is NULL");
    CHECK_FAILS(sepconv_classify_rgb(clone, red, 0, 2, best, &count), SEPCONV_STATUS_ARGUMENT, "size");
    CHECK_FAILS(sepconv_classify_rgb(clone, red, (size_t)-1, 9, best, &count), SEPCONV_STATUS_ARGUMENT, "memory");
    count = 0;
    CHECK(sepconv_classify_rgb(clone, red, 2, 2, NULL, &count) == 0 && count == 0);
    free(bytes);
    sepconv_classifier_free(clone);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    CHECK(*sepconv_error() == '\0' && strchr(sepconv_version(), '.') != NULL);
    null_is_an_error_or_nothing();

    sepconv_model *model = NULL;
    sepconv_compiled *compiled = NULL;
    sepconv_session *session = NULL;
    CHECK(sepconv_model_from_bytes(SUB, sizeof SUB - 1, &model) == 0);
    CHECK(sepconv_compile(model, NULL, &compiled) == 0);
    options_are_checked(model, argv[1]);
    sepconv_model_free(model);
    CHECK(sepconv_session_new(compiled, &session) == 0);
    tensors_are_described(compiled);
    /* A session keeps what it needs. */
    sepconv_compiled_free(compiled);
    runs_take_tensors_by_position_and_name(session);
    unfit_tensors_are_errors(session);
    sepconv_session_free(session);

    broken_models_are_errors(argv[1]);
    images_are_classified(argv[1]);
    printf("api: passed\n");
    return 0;
}
