/* termios, signals, and the escape sequences that all terminals know. */
#include "proxy/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* The other screen, and no cursor. */
#define TAKE      "\033[?1049h\033[?25l\033[2J"
#define GIVE_BACK "\033[?25h\033[?1049l"

static struct termios before;
static bool taken;
static volatile sig_atomic_t resized;
static volatile sig_atomic_t asked_to_end;

bool terminal_is_there(void)
{
    const char *kind = getenv("TERM");

    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && kind && *kind &&
           strcmp(kind, "dumb") != 0;
}

/* What is lost here is drawn anew in a moment. */
static void put(const char *text)
{
    ssize_t written = write(STDOUT_FILENO, text, strlen(text));
    (void)written;
}

int terminal_take(void)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &before) < 0)
        return -errno;
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) < 0)
        return -errno;
    taken = true;
    put(TAKE);
    return 0;
}

void terminal_give_back(void)
{
    if (!taken)
        return;
    put(GIVE_BACK);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    taken = false;
}

struct terminal_size terminal_size(void)
{
    struct winsize size = {0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0)
        return (struct terminal_size){.columns = 80, .rows = 24};
    return (struct terminal_size){.columns = size.ws_col, .rows = size.ws_row};
}

static void came(int number)
{
    if (number == SIGWINCH)
        resized = true;
    else
        asked_to_end = true;
}

void terminal_take_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};
    struct sigaction action = {.sa_handler = came};
    sigset_t blocked;

    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        sigaction(numbers[i], &action, NULL);
        sigaddset(&blocked, numbers[i]);
    }
    sigprocmask(SIG_BLOCK, &blocked, NULL);
}

int terminal_wait(bool keys, int ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    struct pollfd input = {.fd = keys ? STDIN_FILENO : -1, .events = POLLIN};
    sigset_t none;
    unsigned char key;

    sigemptyset(&none);
    int ready = ppoll(&input, 1, &time, &none);
    if (asked_to_end)
        return TERMINAL_END;
    if (resized) {
        resized = false;
        return TERMINAL_RESIZE;
    }
    if (ready <= 0)
        return TERMINAL_TIME;
    return read(STDIN_FILENO, &key, 1) == 1 ? key : TERMINAL_END;
}
