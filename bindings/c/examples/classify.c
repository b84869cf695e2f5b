/* Says what photographs show: classify MODEL LABELS PHOTOGRAPH... LABELS may be "-" where the model holds its own. */
#include <stdio.h>
#include <string.h>

#include <sepconv.h>

static int fail(void) {
    fprintf(stderr, "error: %s\n", sepconv_error());
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: classify MODEL LABELS PHOTOGRAPH...\n");
        return 2;
    }
    sepconv_model *model = NULL;
    sepconv_classifier *classifier = NULL;
    const char *labels = strcmp(argv[2], "-") == 0 ? NULL : argv[2];
    int status = 0;
    if (sepconv_model_open(argv[1], NULL, &model) || sepconv_classifier_new(model, NULL, NULL, labels, &classifier))
        status = fail();
    sepconv_model_free(model);

    for (int i = 3; i < argc && classifier; i++) {
        sepconv_prediction best[5];
        size_t count = sizeof best / sizeof best[0];
        if (sepconv_classify_file(classifier, argv[i], best, &count)) {
            status = fail();
            continue;
        }
        printf("%s\n", argv[i]);
        for (size_t k = 0; k < count; k++) {
            const char *label = best[k].label ? best[k].label : "?";
            printf("%7.2f %%  %s\n", 100 * (double)best[k].score, label);
        }
    }
    sepconv_classifier_free(classifier);
    return status;
}
