/*
 * sepconv: networks of depthwise separable convolutions (.onnx, .tflite) on a CPU.
 *
 *     model: a file ---> compiled: kernels, packed weights ---> session: memory and threads of one worker
 *                   `--> classifier: a session with images before it and labels after it
 *
 * Failures. Functions that can fail return SEPCONV_STATUS_OK, which is 0, or the kind of the failure; sepconv_error()
 * has its text. A NULL where an object or an array is needed is such a failure.
 *
 * Ownership. An object that a function hands out through its last argument belongs to the caller, who frees it; after a
 * failure it is NULL. Freeing NULL does nothing. Objects may be freed in any order. Arguments are read before the call
 * returns, and never kept.
 *
 * Threads. A model and a compiled network never change: any number of threads may use them at once. A session and a
 * classifier do one thing at a time: a call meanwhile fails. So each thread makes its own.
 *
 * Texts are UTF-8 and end with a zero; paths are as the system has them. Sizes are bytes.
 */


#ifndef SEPCONV_H
#define SEPCONV_H

#include <stddef.h>
#include <stdint.h>

/// Whether a function succeeded: zero, or the kind of its failure.
typedef enum {
  /// It succeeded.
  SEPCONV_STATUS_OK = 0,
  /// The bytes are not what their format demands.
  SEPCONV_STATUS_MALFORMED = 1,
  /// The file is valid and asks for something that sepconv does not do.
  SEPCONV_STATUS_UNSUPPORTED = 2,
  /// Shapes, types or counts contradict each other.
  SEPCONV_STATUS_MISMATCH = 3,
  /// A limit would be exceeded.
  SEPCONV_STATUS_LIMIT = 4,
  /// An argument is not acceptable.
  SEPCONV_STATUS_ARGUMENT = 5,
  /// The operating system refused.
  SEPCONV_STATUS_IO = 6,
  /// A bug of sepconv. The process can go on, and so can every object.
  SEPCONV_STATUS_INTERNAL = 7,
} sepconv_status;

/// The type of a tensor's elements. Files have more types; other integers and booleans arrive as I64.
typedef enum {
  /// float
  SEPCONV_DTYPE_F32 = 0,
  /// uint8_t
  SEPCONV_DTYPE_U8 = 1,
  /// int8_t
  SEPCONV_DTYPE_I8 = 2,
  /// int64_t
  SEPCONV_DTYPE_I64 = 3,
} sepconv_dtype;

/// A network that names what images show: a session with pre-processing before it and labels after it.
typedef struct sepconv_classifier sepconv_classifier;

/// A network made ready for this machine: chosen kernels and packed weights.
typedef struct sepconv_compiled sepconv_compiled;

/// A network as its file holds it.
typedef struct sepconv_model sepconv_model;

/// What one worker runs a network with: memory and threads.
typedef struct sepconv_session sepconv_session;

/// The shape of an input.
typedef struct {
  /// The name of the input.
  const char *name;
  /// The number of axes, up to 8.
  size_t rank;
  /// The size along each axis, in the file's order.
  size_t shape[8];
} sepconv_input_shape;

/// How a network is compiled. Zero or NULL stands for the default, so start from `sepconv_options options = {0};` (in C++
/// `{}`) and set what differs.
typedef struct {
  /// Threads that share the work of one run, up to 256. Default: the cores of the machine, at most four.
  size_t threads;
  /// Images that are computed at a time: the first axis of every input. Default: 1.
  size_t batch;
  /// The shapes of inputs whose sizes the file leaves open.
  const sepconv_input_shape *shapes;
  /// The number of `shapes`.
  size_t shape_count;
  /// The instruction set: "scalar", "avx2", "avx512", "neon", … Default: that of the environment variable
  /// SEPCONV_ISA, else the widest of the machine.
  const char *isa;
  /// The path of what `sepconv tune` measured for this network. It decides the number of threads, too.
  const char *tuned;
  /// Bytes that constants and activations may take. Default: 700 MB.
  size_t max_memory;
  /// Multiply-accumulates that a run may cost. Default: 10^12.
  uint64_t max_macs;
} sepconv_options;

/// An input or output of a network.
typedef struct {
  /// The name in the file; empty where that holds a zero. Print it with care: a file may put anything into it.
  const char *name;
  /// The type of its elements.
  sepconv_dtype dtype;
  /// The number of axes, up to 8.
  size_t rank;
  /// The size along each axis, in the file's order; the last axis is the fastest. Where the length of an output
  /// depends on the data it is the largest.
  size_t shape[8];
  /// The bytes of all its elements.
  size_t size;
  /// What an integer q of a quantized tensor stands for is scale * (q - zero_point). 0 where the file states no
  /// scale, or one for each channel.
  float scale;
  /// See `scale`.
  int32_t zero_point;
} sepconv_tensor;

/// A tensor to be read.
typedef struct {
  /// The name of the input. NULL: it is the one at the same position.
  const char *name;
  /// The elements, without gaps, the last axis the fastest.
  const void *data;
  /// Bytes at `data`: as many as sepconv_tensor.size.
  size_t size;
} sepconv_input;

/// A tensor to be written.
typedef struct {
  /// The name of the output. NULL: it is the one at the same position.
  const char *name;
  /// Where the elements go. They must not overlap with others.
  void *data;
  /// Bytes at `data`: as many as sepconv_tensor.size.
  size_t size;
  /// Set by a run that succeeds: the bytes that were written. Fewer than `size` where the length depends on the data.
  size_t written;
} sepconv_output;

/// What a network thinks an image shows.
typedef struct {
  /// The position among the network's outputs.
  size_t output;
  /// The class: the output without the background class, where there is one. -1 for the background.
  int64_t class_index;
  /// Its name, or NULL where labels are not known. It belongs to the classifier.
  const char *label;
  /// From 0 to 1; those of all classes add up to 1.
  float score;
} sepconv_prediction;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/// The version of the library, such as "0.1.0". Never NULL; it is never freed.
const char *sepconv_version(void);

/// The text of the last failure on the calling thread: what, where, expected, got, and what to do, on several lines.
/// Never NULL; empty before the first failure. Valid until the next failure on this thread.
const char *sepconv_error(void);

/// Reads a .onnx or .tflite file of up to 700 MB; its content decides which of the two it is.
///
/// `external_data` is the folder in which an ONNX file may keep weights in files of their own, or NULL: none is read
/// then.
sepconv_status sepconv_model_open(const char *path, const char *external_data, sepconv_model **model);

/// As sepconv_model_open(), from the `size` bytes of such a file. They are copied.
sepconv_status sepconv_model_from_bytes(const void *bytes, size_t size, sepconv_model **model);

/// Frees a model. Networks that were compiled of it are not concerned.
void sepconv_model_free(sepconv_model *model);

/// Makes a network ready for this machine. `options` may be NULL: the defaults. The model may be freed afterwards.
sepconv_status sepconv_compile(const sepconv_model *model, const sepconv_options *options, sepconv_compiled **compiled);

/// The inputs, `*count` of them; `count` may be NULL. They belong to `compiled`. NULL for NULL.
const sepconv_tensor *sepconv_inputs(const sepconv_compiled *compiled, size_t *count);

/// The outputs, as sepconv_inputs().
const sepconv_tensor *sepconv_outputs(const sepconv_compiled *compiled, size_t *count);

/// Why `options.tuned` is not used: it was measured on another machine, say. NULL where it is used, or was NULL. The
/// text belongs to `compiled`.
const char *sepconv_unused_tuning(const sepconv_compiled *compiled);

/// Frees a compiled network. Its sessions can still be used.
void sepconv_compiled_free(sepconv_compiled *compiled);

/// Makes memory and threads for one worker. The weights are shared, not copied.
sepconv_status sepconv_session_new(const sepconv_compiled *compiled, sepconv_session **session);

/// Runs the network: reads all its inputs and writes all its outputs, each given once, in the order of the network or by
/// name. Results are the same, bit for bit, for any number of threads. A network that keeps state goes on from the run
/// before.
sepconv_status sepconv_run(sepconv_session *session,
                           const sepconv_input *inputs,
                           size_t input_count,
                           sepconv_output *outputs,
                           size_t output_count);

/// Forgets what runs have left in a network that keeps state: the next run starts as the first did.
sepconv_status sepconv_reset(sepconv_session *session);

/// Frees a session.
void sepconv_session_free(sepconv_session *session);

/// Makes a classifier of a network that has one image input and scores classes. The model may be freed afterwards.
///
/// `options` may be NULL: the defaults. `preprocess` says how pixels become numbers: "torch", "tf", "unit", "raw" or
/// "MEAN/STD". NULL: what the file says, else "torch" for ONNX and "tf" for TensorFlow Lite, which is a guess, and a
/// wrong one costs accuracy. `labels` is the path of a file with one name a line, in the order of the classes. NULL:
/// the file's, where it has them.
sepconv_status sepconv_classifier_new(const sepconv_model *model,
                                      const sepconv_options *options,
                                      const char *preprocess,
                                      const char *labels,
                                      sepconv_classifier **classifier);

/// Makes another one for another thread: it shares the weights and has memory and threads of its own.
sepconv_status sepconv_classifier_clone(sepconv_classifier *classifier, sepconv_classifier **clone);

/// The likeliest classes of the image in a PNG, JPEG, BMP or WebP file, the likeliest first.
///
/// `*count` says how many elements `predictions` has, and then how many were written: fewer where the network has fewer
/// classes.
sepconv_status sepconv_classify_file(sepconv_classifier *classifier,
                                     const char *path,
                                     sepconv_prediction *predictions,
                                     size_t *count);

/// As sepconv_classify_file(), of the `size` bytes of such a file.
sepconv_status sepconv_classify_bytes(sepconv_classifier *classifier,
                                      const void *bytes,
                                      size_t size,
                                      sepconv_prediction *predictions,
                                      size_t *count);

/// As sepconv_classify_file(), of pixels: `height` rows of `width` times red, green and blue, a byte each, without gaps.
sepconv_status sepconv_classify_rgb(sepconv_classifier *classifier,
                                    const uint8_t *pixels,
                                    size_t width,
                                    size_t height,
                                    sepconv_prediction *predictions,
                                    size_t *count);

/// Frees a classifier. Its clones can still be used.
void sepconv_classifier_free(sepconv_classifier *classifier);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SEPCONV_H */
