/* Results of runs that never ran, for the tests of perf. */
#pragma once

#include "perf/result.h"

#include <stdint.h>

/* A valid rr run with a value in every member. Random, and the same for the same seed. */
struct result *sample_result(const char *label, uint64_t seed);

/* A name in a new folder of the test's own, and the end of all that is in it. */
const char *sample_path(const char *name);
void sample_clean(void);

/* The whole file as text; freed by the caller. */
char *sample_text(const char *path);
