/* Ten threads with a compiled network and a classifier between them: threads MODEL IMAGE. Each must get the same bits. */
#include <pthread.h>

#include "check.h"

enum { THREADS = 10, RUNS = 8 };

typedef struct {
    const sepconv_compiled *compiled;
    sepconv_classifier *classifier;
    const unsigned char *image;
    size_t image_size, output_size;
    const void *input;
    void *output;
    sepconv_prediction best;
} worker;

static void run(worker *self, sepconv_session *session) {
    size_t size = sepconv_inputs(self->compiled, NULL)[0].size;
    sepconv_input input = {NULL, self->input, size};
    sepconv_output output = {NULL, self->output, self->output_size, 0};
    size_t count = 1;
    CHECK(sepconv_run(session, &input, 1, &output, 1) == 0);
    CHECK(sepconv_classify_bytes(self->classifier, self->image, self->image_size, &self->best, &count) == 0);
}

static void *work(void *argument) {
    worker *self = (worker *)argument;
    sepconv_session *session = NULL;
    sepconv_model *model = NULL;
    CHECK(sepconv_session_new(self->compiled, &session) == 0);
    for (int i = 0; i < RUNS; i++) {
        run(self, session);
        /* The text of a failure is this thread's own. */
        char word[32];
        snprintf(word, sizeof word, "missing-%p", argument);
        CHECK_FAILS(sepconv_model_open(word, NULL, &model), SEPCONV_STATUS_IO, word);
    }
    sepconv_session_free(session);
    return NULL;
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    sepconv_model *model = NULL;
    sepconv_compiled *compiled = NULL;
    sepconv_classifier *classifier = NULL;
    sepconv_options options = {0};
    options.threads = 2;
    CHECK(sepconv_model_open(argv[1], NULL, &model) == 0);
    CHECK(sepconv_compile(model, &options, &compiled) == 0);
    CHECK(sepconv_classifier_new(model, &options, NULL, NULL, &classifier) == 0);
    sepconv_model_free(model);

    size_t image_size, input_size = sepconv_inputs(compiled, NULL)[0].size, output_size = sepconv_outputs(compiled, NULL)[0].size;
    unsigned char *image = read_file(argv[2], &image_size);
    float *input = (float *)malloc(input_size);
    CHECK(input != NULL);
    for (size_t i = 0; i < input_size / sizeof *input; i++) {
        input[i] = (float)(i % 17) / 17 - 0.5f;
    }

    worker workers[THREADS + 1];
    pthread_t threads[THREADS];
    for (int i = 0; i <= THREADS; i++) {
        worker self = {compiled, NULL, image, image_size, output_size, input, malloc(output_size), {0, 0, NULL, 0}};
        workers[i] = self;
        CHECK(workers[i].output != NULL && sepconv_classifier_clone(classifier, &workers[i].classifier) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    work(&workers[THREADS]);
    for (int i = 0; i <= THREADS; i++) {
        const worker *expected = &workers[THREADS], *got = &workers[i];
        CHECK(memcmp(got->output, expected->output, output_size) == 0);
        CHECK(got->best.output == expected->best.output && got->best.score == expected->best.score);
        CHECK(strcmp(got->best.label, expected->best.label) == 0);
        free(got->output);
        sepconv_classifier_free(got->classifier);
    }
    free(input);
    free(image);
    sepconv_classifier_free(classifier);
    sepconv_compiled_free(compiled);
    printf("threads: passed\n");
    return 0;
}
