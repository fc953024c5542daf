/* The page of the report: its head and style, and the order of its parts. */
#include "perf/report_draw.h"

static const char style[] =
    ":root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#57606a;--grid:#d8dee4;"
    "--card:#f6f8fa;--bad:#b3261e;--bad-paper:#fdecea;"
    "--c0:#1f6fb4;--c1:#b8500a;--c2:#11795a;--c3:#8544ab;--c4:#a83263;--c5:#5b6470}\n"
    "@media(prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e6e9ec;--soft:#a3acb5;"
    "--grid:#353c44;--card:#1d2226;--bad:#ff9a8f;--bad-paper:#3a1d1b;"
    "--c0:#6cb2f0;--c1:#f3a05c;--c2:#52c9a1;--c3:#c89be8;--c4:#f28fb5;--c5:#aab4bf}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:1240px;padding:1.25rem;background:var(--paper);color:var(--ink);"
    "font:16px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}\n"
    "h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1.2rem;margin:2rem 0 .75rem}"
    "h3{font-size:1rem;margin:0;border-left:.4rem solid var(--c);padding-left:.5rem}\n"
    "p{margin:.4rem 0}.soft,.path,small{color:var(--soft)}"
    ".path,small{font-size:.85rem;font-weight:400}\n"
    ".bad{color:var(--bad)}.banner{background:var(--bad-paper);border:1px solid var(--bad);"
    "border-radius:6px;padding:.6rem .9rem;margin:1rem 0}\n"
    ".charts,.metrics,.runs{display:grid;gap:1.25rem;align-items:start}\n"
    ".charts{grid-template-columns:repeat(auto-fit,minmax(min(100%,470px),1fr))}"
    ".metrics{grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr))}"
    ".runs{grid-template-columns:repeat(auto-fill,minmax(min(100%,470px),1fr))}\n"
    "figure,article{margin:0;background:var(--card);border:1px solid var(--grid);border-radius:8px;"
    "padding:.9rem;min-width:0}\n"
    "figcaption{font-weight:600;margin-bottom:.6rem}figcaption small{display:block}\n"
    "svg{display:block;width:100%;height:auto}"
    "svg text{font:14px system-ui,sans-serif;fill:var(--ink)}svg .bad{fill:var(--bad)}\n"
    ".metrics svg{max-width:420px}\n"
    ".grid{stroke:var(--grid);stroke-width:1}.frame{stroke:var(--soft);fill:none}\n"
    ".line{stroke:var(--c);stroke-width:2.2;fill:none;stroke-linejoin:round}\n"
    ".bar{fill:var(--c)}.hollow{fill-opacity:.25;stroke:var(--c);stroke-dasharray:4 3}"
    ".range{stroke:var(--ink);stroke-width:1.5;fill:none}\n"
    ".c0{--c:var(--c0)}.c1{--c:var(--c1)}.c2{--c:var(--c2)}.c3{--c:var(--c3)}.c4{--c:var(--c4)}"
    ".c5{--c:var(--c5)}\n"
    ".c1 .line{stroke-dasharray:8 4}.c2 .line{stroke-dasharray:2 3}"
    ".c3 .line{stroke-dasharray:10 3 2 3}.c4 .line{stroke-dasharray:5 2}"
    ".c5 .line{stroke-dasharray:14 4}\n"
    ".legend{list-style:none;margin:.6rem 0 0;padding:0;display:flex;flex-wrap:wrap;"
    "gap:.25rem 1.1rem}.legend li{display:flex;align-items:center;gap:.45rem;min-width:0}"
    ".key{width:34px;height:10px;flex:none}b.bad{white-space:nowrap}\n"
    "table{border-collapse:collapse;width:100%;margin:.6rem 0 0;font-size:.9rem}"
    "th,td{text-align:left;vertical-align:top;padding:.2rem .5rem .2rem 0;"
    "border-bottom:1px solid var(--grid)}th{font-weight:400;color:var(--soft)}\n"
    "tbody th{width:9.5rem}.percentiles th,.percentiles "
    "td{text-align:right;vertical-align:bottom;overflow-wrap:normal;"
    "font-variant-numeric:tabular-nums}.percentiles tbody th{text-align:left;width:auto}\n"
    "@media(max-width:520px){body{padding:.75rem}tbody th{width:7.5rem}.chart text{font-size:18px}"
    ".percentiles{font-size:.8rem}.percentiles tbody th{width:auto}}\n"
    "@media print{figure,article{break-inside:avoid}}\n";

static size_t invalid_runs(const struct report *report)
{
    size_t count = 0;
    for (size_t i = 0; i < report->run_count; i++)
        count += !report->runs[i].result->valid;
    return count;
}

static void write_head(FILE *stream)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
          "style-src 'unsafe-inline'\">\n<title>vsluice-load report</title>\n<style>\n",
          stream);
    fputs(style, stream);
    fputs("</style>\n</head>\n<body>\n", stream);
}

static void write_summary(const struct report *report, FILE *stream)
{
    size_t invalid = invalid_runs(report);

    fprintf(stream, "<h1>vsluice-load report</h1>\n<p class=\"soft\">%zu run%s, %zu label%s</p>\n",
            report->run_count, report->run_count == 1 ? "" : "s", report->group_count,
            report->group_count == 1 ? "" : "s");
    if (invalid == 0)
        return;
    fprintf(stream,
            "<p class=\"banner\" role=\"alert\"><b class=\"bad\">Invalid: %zu of %zu runs.</b> The "
            "generator itself was the bottleneck there: do not rely on the figures. The reasons "
            "stand below, at the runs.</p>\n",
            invalid, report->run_count);
}

void report_write(const struct report *report, FILE *stream)
{
    bool repeated = report->group_count < report->run_count;

    write_head(stream);
    write_summary(report, stream);
    fputs("<h2>Side by side</h2>\n", stream);
    if (repeated)
        fputs("<p class=\"soft\">Bars are the median of the runs of a label, the thin line reaches "
              "from the least to the largest; latencies by percentile are of all its runs.</p>\n",
              stream);
    fputs("<div class=\"metrics\">\n", stream);
    draw_bars(report, stream);
    fputs("</div>\n<h2>Latency and rate</h2>\n<div class=\"charts\">\n", stream);
    draw_latency(report, stream);
    draw_rate(report, stream);
    fputs("</div>\n", stream);
    draw_tables(report, stream);
    fputs("</body>\n</html>\n", stream);
}
