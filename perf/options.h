/* The options of vsluice-load run. */
#pragma once

#include "config/endpoint.h"
#include "perf/generator.h"

struct run_options {
    struct endpoint endpoint;
    struct result_options load;
    enum load_mode mode;
    const char *label;
    const char *json; /* NULL: none */
    const char *hgrm;
    bool progress;
};

/* Reads `run ENDPOINT [OPTIONS]`. 0; or the mistake has been told on standard error, and it is the
 * exit status. */
int run_options_read(int argc, char **argv, struct run_options *ret);
