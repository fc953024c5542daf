/* The system calls that are allowed once the program runs: a table. */
#pragma once

#include <stdint.h>

#define SANDBOX_MASKS 2

struct sandbox_rule {
    const char *name; /* one that a system does not have is passed over */
    unsigned count;   /* of `masks`: all of them hold */
    struct {
        unsigned argument;
        uint64_t mask;
        uint64_t value; /* of the argument, as far as the mask goes */
    } masks[SANDBOX_MASKS];
};

/* Ends with one without a name. */
extern const struct sandbox_rule sandbox_rules[];
