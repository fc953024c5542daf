/* What the service manager is told, word for word, by libsystemd to a socket of this test. */
#include "proxy/notify.h"

#include <criterion/criterion.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SECOND_NS UINT64_C(1000000000)

static int manager = -1;
static struct notify notify;

static void listen_as_manager(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];

    snprintf(name, sizeof(name), "@vsluice-notify-%d", (int)getpid());
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    strcpy(address.sun_path + 1, name + 1);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    cr_assert_eq(bind(manager, (struct sockaddr *)&address, length), 0);
    setenv("NOTIFY_SOCKET", name, 1);
}

static void begin(const char *watchdog_us, int watchdog_pid)
{
    char pid[16];

    snprintf(pid, sizeof(pid), "%d", watchdog_pid);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    if (watchdog_us) {
        setenv("WATCHDOG_USEC", watchdog_us, 1);
        setenv("WATCHDOG_PID", pid, 1);
    }
    listen_as_manager();
    notify_init(&notify);
    if (!notify.send)
        cr_skip_test("libsystemd is missing: apt-get install libsystemd0");
}

/* The next message; "": there is none. */
static const char *told(void)
{
    static char text[1024];
    ssize_t length = recv(manager, text, sizeof(text) - 1, 0);

    text[length > 0 ? length : 0] = '\0';
    return text;
}

static void finish(void)
{
    close(manager);
}

TestSuite(notify, .fini = finish);

Test(notify, nobody_is_told_without_a_socket)
{
    unsetenv("NOTIFY_SOCKET");
    setenv("WATCHDOG_USEC", "1000000", 1);
    notify_init(&notify);
    cr_assert_null(notify.send);
    notify_ready(&notify);
    notify_reloading(&notify, SECOND_NS);
    notify_stopping(&notify, SECOND_NS);
    notify_status(&notify, "1 sessions", SECOND_NS);
    notify_alive(&notify);
    cr_assert_not(notify_status_due(&notify, SECOND_NS));
    cr_assert_not(notify_ping_due(&notify, SECOND_NS));
    cr_assert_eq(notify_wait_ms(&notify, SECOND_NS), -1);
}

Test(notify, each_state_in_its_words)
{
    begin(NULL, 0);
    notify_ready(&notify);
    cr_assert_str_eq(told(), "READY=1");
    notify_reloading(&notify, 1234567 * UINT64_C(1000));
    cr_assert_str_eq(told(), "RELOADING=1\nMONOTONIC_USEC=1234567");
    notify_stopping(&notify, 40 * SECOND_NS);
    cr_assert_str_eq(told(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000");
    cr_assert_str_eq(told(), "");
}

Test(notify, the_status_is_told_when_it_changed_and_at_most_every_five_seconds)
{
    uint64_t now_ns = 100 * SECOND_NS;

    begin(NULL, 0);
    cr_assert_eq(notify_wait_ms(&notify, now_ns), 0);
    notify_status(&notify, "1 sessions", now_ns);
    cr_assert_str_eq(told(), "STATUS=1 sessions");
    cr_assert_eq(notify_wait_ms(&notify, now_ns), 5000);
    cr_assert_eq(notify_wait_ms(&notify, now_ns + SECOND_NS + 1), 4000);
    notify_status(&notify, "2 sessions", now_ns + 5 * SECOND_NS - 1);
    cr_assert_str_eq(told(), "");
    notify_status(&notify, "2 sessions", now_ns + 5 * SECOND_NS);
    cr_assert_str_eq(told(), "STATUS=2 sessions");
    notify_status(&notify, "2 sessions", now_ns + 10 * SECOND_NS);
    cr_assert_str_eq(told(), "");
    cr_assert_eq(notify_wait_ms(&notify, now_ns + 10 * SECOND_NS), 5000);
}

Test(notify, a_status_that_is_too_long_is_cut)
{
    char status[2 * NOTIFY_STATUS_BYTES];

    memset(status, 'x', sizeof(status) - 1);
    status[sizeof(status) - 1] = '\0';
    begin(NULL, 0);
    notify_status(&notify, status, 100 * SECOND_NS);
    cr_assert_eq(strlen(told()), strlen("STATUS=") + NOTIFY_STATUS_BYTES - 1);
    notify_status(&notify, status, 200 * SECOND_NS);
    cr_assert_str_eq(told(), "", "the same again");
}

Test(notify, the_watchdog_is_fed_when_all_have_answered_and_never_before)
{
    uint64_t now_ns = 100 * SECOND_NS;

    begin("4000000", (int)getpid());
    cr_assert(notify_ping_due(&notify, now_ns), "at once");
    cr_assert_not(notify_ping_due(&notify, now_ns + 100 * SECOND_NS), "while one hangs");
    cr_assert_str_eq(told(), "");
    notify_alive(&notify);
    cr_assert_str_eq(told(), "WATCHDOG=1");
    notify_alive(&notify);
    cr_assert_str_eq(told(), "", "one answer feeds once");
    cr_assert_not(notify_ping_due(&notify, now_ns + 2 * SECOND_NS - 1));
    cr_assert(notify_ping_due(&notify, now_ns + 2 * SECOND_NS));
}

Test(notify, it_wakes_for_the_watchdog_at_half_of_its_time)
{
    uint64_t now_ns = 100 * SECOND_NS;

    begin("4000000", (int)getpid());
    notify_status(&notify, "1 sessions", now_ns);
    cr_assert_eq(notify_wait_ms(&notify, now_ns), 0);
    notify_ping_due(&notify, now_ns);
    cr_assert_eq(notify_wait_ms(&notify, now_ns), 5000, "the answers wake it by themselves");
    notify_alive(&notify);
    cr_assert_eq(notify_wait_ms(&notify, now_ns + SECOND_NS), 1000);
}

Test(notify, the_watchdog_of_another_process_is_left_alone)
{
    begin("4000000", (int)getppid());
    cr_assert_not(notify_ping_due(&notify, 100 * SECOND_NS));
}
