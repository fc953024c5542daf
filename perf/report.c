/* Runs by group, and the command that draws them. */
#include "perf/report_draw.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char usage[] = "usage: vsluice-load report RUN.json... -o report.html\n"
                            "\n"
                            "Draws runs on one HTML page that needs no network: latency by "
                            "percentile, rate over time, and\n"
                            "the runs side by side. Runs of one --label are drawn as one, with the "
                            "median of their figures.\n"
                            "\n"
                            "  -o, --output FILE  the page\n"
                            "\n"
                            "Exit status: 0; 64 usage; 65 a file that is no result; 66 one that "
                            "cannot be read; 73 the page\n"
                            "cannot be written.\n";

void draw_text(FILE *stream, const char *text)
{
    draw_text_cut(stream, text, SIZE_MAX);
}

void draw_text_cut(FILE *stream, const char *text, size_t characters)
{
    size_t written = 0;
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        bool begins = (byte & 0xc0) != 0x80;
        if (begins && written + 1 >= characters && text[1] != '\0') {
            fputs("\xe2\x80\xa6", stream);
            return;
        }
        written += begins;
        switch (byte) {
        case '&': fputs("&amp;", stream); break;
        case '<': fputs("&lt;", stream); break;
        case '>': fputs("&gt;", stream); break;
        case '"': fputs("&quot;", stream); break;
        case '\'': fputs("&#39;", stream); break;
        default: fputc(byte < 0x20 || byte == 0x7f ? ' ' : byte, stream); break;
        }
    }
}

unsigned draw_colour(size_t group)
{
    return (unsigned)(group % DRAW_COLOURS);
}

/* The group of this title, made where it is new; -ENOMEM. */
static int find_group(struct report *report, const char *title, size_t *ret)
{
    for (size_t i = 0; i < report->group_count; i++) {
        if (strcmp(report->groups[i].title, title) == 0) {
            *ret = i;
            return 0;
        }
    }
    struct report_group *groups =
        reallocarray(report->groups, report->group_count + 1, sizeof(*groups));
    if (!groups)
        return -ENOMEM;
    report->groups = groups;
    struct report_group *group = &groups[report->group_count];
    memset(group, 0, sizeof(*group));
    histogram_init(&group->latency);
    snprintf(group->title, sizeof(group->title), "%s", title);
    *ret = report->group_count++;
    return 0;
}

int report_add(struct report *report, const char *path, struct result *result)
{
    char title[REPORT_TITLE_BYTES];
    size_t index;
    struct report_run *runs = NULL;

    result_title(result, title);
    if (report->run_count < REPORT_RUNS_MAX)
        runs = reallocarray(report->runs, report->run_count + 1, sizeof(*runs));
    if (runs)
        report->runs = runs;
    if (!runs || find_group(report, title, &index) != 0) {
        result_free(result);
        return -ENOMEM;
    }
    runs[report->run_count++] = (struct report_run){path, result, index};
    struct report_group *group = &report->groups[index];
    group->run_count++;
    group->invalid_count += !result->valid;
    histogram_merge(&group->latency, &result->latency);
    return 0;
}

void report_clear(struct report *report)
{
    for (size_t i = 0; i < report->run_count; i++)
        result_free(report->runs[i].result);
    free(report->runs);
    free(report->groups);
    *report = (struct report){};
}

static int failed(const char *path, const char *words, int status)
{
    fprintf(stderr, "%s: %s\n", path, words);
    return status;
}

static int read_runs(struct report *report, char **paths, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char error[RESULT_TEXT_BYTES];
        struct result *result;
        int code = result_read_json(paths[i], &result, error);
        if (code != 0)
            return failed(paths[i], error, code == -EPROTO ? EX_DATAERR : EX_NOINPUT);
        code = report_add(report, paths[i], result);
        if (code != 0)
            return failed(paths[i], strerror(-code), EX_OSERR);
    }
    return 0;
}

static int write_page(const struct report *report, const char *path)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream)
        return failed(path, strerror(errno), EX_OSERR);

    report_write(report, stream);
    bool whole = !ferror(stream);
    int error = fclose(stream) == 0 && whole ? result_write_file(path, text, bytes) : -ENOMEM;
    free(text);
    return error == 0 ? 0 : failed(path, strerror(-error), EX_CANTCREAT);
}

static int usage_error(const char *words)
{
    fprintf(stderr, "vsluice-load report: %s\nTry 'vsluice-load report --help'.\n", words);
    return EX_USAGE;
}

int report_command(int argc, char **argv)
{
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {},
    };
    const char *output = NULL;
    struct report report = {};
    int option;

    optind = 0;
    while ((option = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
        switch (option) {
        case 'o': output = optarg; break;
        case 'h': fputs(usage, stdout); return 0;
        default: return EX_USAGE;
        }
    }
    if (optind == argc)
        return usage_error("wants at least one RUN.json");
    if (argc - optind > REPORT_RUNS_MAX)
        return usage_error("too many runs");
    if (!output)
        return usage_error("wants -o report.html");

    int status = read_runs(&report, argv + optind, (size_t)(argc - optind));
    if (status == 0)
        status = write_page(&report, output);
    report_clear(&report);
    return status;
}
