/* From /proc/self. */
#include "proxy/admin_process.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STAT_BYTES 1024

/* The fields of /proc/self/stat (proc_pid_stat(5)) that are looked at, behind the name of the
 * program, which may hold anything. */
struct process_stat {
    uint64_t user_ticks;
    uint64_t system_ticks;
    uint64_t started_ticks; /* after boot */
    uint64_t virtual_bytes;
    int64_t resident_pages;
};

static bool read_stat(struct process_stat *ret)
{
    char text[STAT_BYTES] = "";
    FILE *file = fopen("/proc/self/stat", "re");

    if (!file)
        return false;
    size_t bytes = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    const char *fields = bytes > 0 ? strrchr(text, ')') : NULL;
    return fields && sscanf(fields,
                            ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
                            " %*d %*d %*d %*d %*d %*d %" SCNu64 " %" SCNu64 " %" SCNd64,
                            &ret->user_ticks, &ret->system_ticks, &ret->started_ticks,
                            &ret->virtual_bytes, &ret->resident_pages) == 5;
}

static double now_s(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t count_entries(const char *path)
{
    DIR *directory = opendir(path);
    uint64_t count = 0;

    if (!directory)
        return 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count > 3 ? count - 3 : 0; /* ".", "..", and the directory itself */
}

/* From Linux 6.2 on the size of the directory is their number. */
static uint64_t count_descriptors(void)
{
    struct stat info;

    if (stat("/proc/self/fd", &info) == 0 && info.st_size > 0)
        return (uint64_t)info.st_size;
    return count_entries("/proc/self/fd");
}

static double booted_s;

static void find_boot(void)
{
    booted_s = now_s(CLOCK_REALTIME) - now_s(CLOCK_BOOTTIME);
}

/* By the clocks as they stood once: they drift against each other. */
static double started_s(const struct process_stat *stat, double ticks_per_s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, find_boot);
    return booted_s + (double)stat->started_ticks / ticks_per_s;
}

static void print_gauge(struct exposition *exposition, const char *name, const char *help,
                        uint64_t value)
{
    exposition_begin(exposition, EXPOSITION_GAUGE, name, help);
    exposition_add(exposition, NULL, value);
}

static void print_descriptors(struct exposition *exposition)
{
    struct rlimit limit;

    print_gauge(exposition, "process_open_fds", "File descriptors that are open.",
                count_descriptors());
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        print_gauge(exposition, "process_max_fds", "File descriptors that may be open.",
                    limit.rlim_cur);
}

void admin_process_print(struct exposition *exposition)
{
    struct process_stat stat;
    double ticks_per_s = (double)sysconf(_SC_CLK_TCK);

    print_descriptors(exposition);
    if (!read_stat(&stat))
        return;
    exposition_begin(exposition, EXPOSITION_COUNTER, "process_cpu_seconds",
                     "Processor time, in user space and in the kernel.");
    exposition_add_seconds(exposition, (double)(stat.user_ticks + stat.system_ticks) / ticks_per_s);
    exposition_begin(exposition, EXPOSITION_GAUGE, "process_start_time_seconds",
                     "When the process began, in seconds since 1970.");
    exposition_add_seconds(exposition, started_s(&stat, ticks_per_s));
    print_gauge(exposition, "process_virtual_memory_bytes", "Address space.", stat.virtual_bytes);
    print_gauge(exposition, "process_resident_memory_bytes", "Memory that is resident.",
                (uint64_t)stat.resident_pages * (uint64_t)sysconf(_SC_PAGESIZE));
}
