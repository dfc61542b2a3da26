/* csrc/io/generate/frames_truth.h: what windows must hold after generated frames, beside the frames: a file of JSON lines.
 *
 * hr_frames_truth (core/generate/generate_frames.h) says the same in one piece of memory; here a stretch of windows is made at a time, so
 * that any number of frames can be accounted for.
 */
#ifndef HR_IO_FRAMES_TRUTH_H
#define HR_IO_FRAMES_TRUTH_H

#include <stdatomic.h>

#include "core/generate/generate.h"

/* Write the truth about frames [first, first + count) in windows of `seconds` to a file, in order of time, one line each:
 *     {"window_start": "2026-01-01T00:00:00Z", "window_end": "2026-01-01T00:01:00Z", "frames": 59821, "users": 45012}
 * The file appears when it is complete; *windows is how many it has. HR_EUSAGE when the generator is of another data set or the length
 * is none of hr_frames_truth's, or the file cannot be at `path`; HR_EIO, HR_ENOMEM, HR_ECANCELLED (`cancel` may be NULL). */
int hr_frames_truth_write(const hr_generator *generator, int64_t first, int64_t count, int64_t seconds, const char *path,
                          const atomic_bool *cancel, int64_t *windows, hr_error *error);
/* Whether that can be asked for: HR_EUSAGE as above. */
int hr_frames_truth_check(const hr_generator *generator, int64_t seconds, hr_error *error);

#endif
