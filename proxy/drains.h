/* Until when the sessions of drained routes may go on, where an operator gave them a time. Of the
 * main thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct drain {
    struct drain *next;
    char *route;
    uint64_t deadline_ns;
};

struct drains {
    struct drain *first;
};

/* In the place of an earlier one. false: out of memory. */
bool drains_set(struct drains *drains, const char *route, uint64_t deadline_ns);
void drains_forget(struct drains *drains, const char *route);
void drains_deinit(struct drains *drains);

/* Until the next deadline; -1: there is none. */
int drains_wait_ms(const struct drains *drains, uint64_t now_ns);

/* One that is over, which drain_free() frees; NULL: none. */
struct drain *drains_take_over(struct drains *drains, uint64_t now_ns);
void drain_free(struct drain *drain);
