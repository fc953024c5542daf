/* A terminal that is drawn on and read from, key by key. One at a time, and always given back. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct terminal_size {
    size_t columns;
    size_t rows;
};

/* Are standard input and output one that can be drawn on? */
bool terminal_is_there(void);

/* Takes it: its screen is put aside, and keys come at once. 0 or a negative errno. */
int terminal_take(void);

/* Gives it back as it was. Any number of times. */
void terminal_give_back(void);

struct terminal_size terminal_size(void);

/* SIGINT, SIGTERM, SIGHUP and SIGWINCH are taken, for terminal_wait() alone. */
void terminal_take_signals(void);

#define TERMINAL_TIME   (-1) /* the time is over */
#define TERMINAL_RESIZE (-2) /* it has another size */
#define TERMINAL_END    (-3) /* it is gone, or a signal asks to end */

/* The next key, or one of the above. Without `keys` there are none. */
int terminal_wait(bool keys, int ms);
