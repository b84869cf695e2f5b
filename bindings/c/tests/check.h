/* What the tests share. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sepconv.h>

/* Ends the program where a condition does not hold. */
#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\n  last error: %s\n", __FILE__, __LINE__, #condition, sepconv_error()); \
            exit(1); \
        } \
    } while (0)

/* Checks that a call fails with a status, and that its text holds a word. */
#define CHECK_FAILS(call, status, word) \
    do { \
        CHECK((call) == (status)); \
        CHECK(strstr(sepconv_error(), word) != NULL); \
    } while (0)

/* The path of a file in the folder of the project. */
static inline const char *in_project(const char *folder, const char *file) {
    static char path[4096];
    CHECK((size_t)snprintf(path, sizeof path, "%s/%s", folder, file) < sizeof path);
    return path;
}

static inline unsigned char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL && fseek(file, 0, SEEK_END) == 0);
    long length = ftell(file);
    CHECK(length > 0 && fseek(file, 0, SEEK_SET) == 0);
    unsigned char *bytes = (unsigned char *)malloc((size_t)length);
    CHECK(bytes != NULL && fread(bytes, 1, (size_t)length, file) == (size_t)length);
    fclose(file);
    *size = (size_t)length;
    return bytes;
}

#endif
