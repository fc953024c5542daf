/* Cases of a test program, each run in a process of its own. Criterion does not run everywhere that
 * AF_VSOCK is: it wants more address space than a user-mode Linux 6.1 has. */
#pragma once

#define CASE(name)                                                                  \
    static void name(void);                                                         \
    static struct case_entry name##_entry = {.name_text = #name, .function = name}; \
    __attribute__((constructor)) static void name##_add(void)                       \
    {                                                                               \
        case_add(&name##_entry);                                                    \
    }                                                                               \
    static void name(void)

struct case_entry {
    const char *name_text;
    void (*function)(void);
    struct case_entry *next;
};

void case_add(struct case_entry *entry);

/* Runs those whose name has `part` in it (NULL: all) and prints a line about each. Returns the exit
 * status: 0, 1 when one failed. */
int case_run_all(const char *part);

/* They end the case. */
_Noreturn __attribute__((format(printf, 3, 4))) void case_fail_at(const char *file, int line,
                                                                  const char *format, ...);
_Noreturn void case_skip(const char *reason);

#define case_fail(...) case_fail_at(__FILE__, __LINE__, __VA_ARGS__)

#define EXPECT(condition)                \
    do {                                 \
        if (!(condition))                \
            case_fail("%s", #condition); \
    } while (0)

/* Of whole numbers. */
#define EXPECT_EQ(left, right) CASE_COMPARE(left, ==, right)
#define EXPECT_NE(left, right) CASE_COMPARE(left, !=, right)
#define EXPECT_GE(left, right) CASE_COMPARE(left, >=, right)
#define EXPECT_GT(left, right) CASE_COMPARE(left, >, right)

#define CASE_COMPARE(left, operator, right)                                                 \
    do {                                                                                    \
        long long left_value = (long long)(left), right_value = (long long)(right);         \
        if (!(left_value operator right_value))                                             \
            case_fail("%s is %lld: not " #operator" %lld", #left, left_value, right_value); \
    } while (0)
