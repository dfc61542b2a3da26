/* csrc/io/window/window_topic.h: a window job over a Kafka topic, from its settings to its receipt. docs/windows.md has the protocol.
 *
 *     hr_window_topic_start -> hr_window_topic_wait (until true; the caller looks at signals and progress in between) -> ..._finish
 *
 * The settings are one JSON object (window_config.h). All work runs in threads of the job; none of these functions but wait and finish
 * waits for anything.
 */
#ifndef HR_IO_WINDOW_TOPIC_H
#define HR_IO_WINDOW_TOPIC_H

#include "core/error.h"

typedef struct hr_window_topic hr_window_topic;

/* Check the settings and start. HR_EUSAGE for settings that cannot be; nothing has been connected yet then. */
int hr_window_topic_start(const char *config_json, hr_window_topic **out, hr_error *error);
/* Wait up to timeout_ms; true when the job has ended, well or not. */
bool hr_window_topic_wait(hr_window_topic *topic, int timeout_ms);
/* What has been committed so far, and how things stand, as JSON for free(); NULL when memory runs out. */
char *hr_window_topic_progress(hr_window_topic *topic);
/* Ask the job to stop: nothing more is committed, and it ends within a second. */
void hr_window_topic_cancel(hr_window_topic *topic);
/* Ask the job to commit what it has and to end well, as at the end of its time. */
void hr_window_topic_stop(hr_window_topic *topic);
/* Wait for the end, free the job, and give the receipt as JSON in *result, for free(); NULL when there is none. Returns how it went. */
int hr_window_topic_finish(hr_window_topic *topic, char **result, hr_error *error);

#endif
