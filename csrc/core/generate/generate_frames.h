/* csrc/core/generate/generate_frames.h: what a frame of the data set "frames" says, without its text: the truth that results are held
 * against. */
#ifndef HR_CORE_GENERATE_FRAMES_H
#define HR_CORE_GENERATE_FRAMES_H

#include "generate.h"

/* The data set's kinds, in order. */
typedef enum hr_frame_kind {
    HR_FRAME_PLAIN = 0,
    HR_FRAME_DISORDERED, /* after frames of later times, but in time */
    HR_FRAME_LATE,       /* so much behind that windows of up to HR_FRAME_MARGIN are closed */
    HR_FRAME_FUTURE,     /* of the year 9999 */
    HR_FRAME_TRUNCATED,  /* the first of the damaged ones */
    HR_FRAME_NOT_JSON,
    HR_FRAME_DEEP, /* damaged in a field that nobody reads */
    HR_FRAME_ENCODING,
    HR_FRAME_NO_TIME,
    HR_FRAME_BAD_TIME,
    HR_FRAME_KINDS
} hr_frame_kind;

#define HR_FRAME_MARGIN 600 /* seconds beyond lateness and window that a late frame is behind at least */

typedef struct hr_frame_fact {
    hr_frame_kind kind;
    int64_t user; /* 1 to users */
    int64_t time; /* seconds since 1970, as the frame says */
} hr_frame_fact;

void hr_frame_fact_of(const int64_t *settings, int64_t index, hr_frame_fact *out);

typedef struct hr_frame_window {
    int64_t start; /* seconds since 1970 */
    int64_t frames, users;
} hr_frame_window;

/* What windows of `seconds` (up to HR_FRAME_MARGIN, so that every late frame misses its own) must hold after frames [first, first + count):
 * *windows, in order of time, *window_count of them, for the caller to hr_free. HR_EUSAGE, HR_ENOMEM. */
int hr_frames_truth(const int64_t *settings, int64_t first, int64_t count, int64_t seconds, hr_frame_window **windows,
                    int64_t *window_count, hr_error *error);

#endif
