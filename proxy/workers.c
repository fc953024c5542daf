/* Threads. */
#include "proxy/workers.h"

#include "proxy/lane.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct worker_thread {
    struct worker worker;
    pthread_t id;
    int error; /* of its start, or of its ring */
    bool started;
    bool deaf;
    bool ended;
    bool closed;
    bool alive; /* has given a sign of life since all were asked */
};

struct workers {
    struct workers_options options;
    atomic_uint_fast64_t numbers;
    int event;
    pthread_mutex_t
        mutex; /* of what the threads tell: started, deaf, closed, ended, alive, error */
    pthread_cond_t told;
    const char *engine_name;
    int engine_refusal;
    unsigned count; /* threads there are */
    struct worker_thread threads[];
};

/* All of them together have exactly what there is. */
static size_t sessions_max_of(const struct workers *workers, const struct worker_thread *thread)
{
    size_t all = workers->options.descriptors.sessions;
    size_t index = (size_t)(thread - workers->threads);

    return all / workers->options.count + (index < all % workers->options.count ? 1 : 0);
}

static int start(struct worker_thread *thread)
{
    struct workers *workers = thread->worker.workers;
    size_t sessions_max = sessions_max_of(workers, thread);
    size_t buffers_max = SIDE_COUNT * sessions_max * LANE_RUN_AHEAD_MAX + RING_BUFFERS_IDLE;
    struct worker_options options = {
        .workers = workers,
        .ring = {.buffers_max =
                     buffers_max < RING_BUFFERS_LIMIT ? (unsigned)buffers_max : RING_BUFFERS_LIMIT,
                 .buffer_bytes = LANE_BUFFER_BYTES},
        .index = (unsigned)(thread - workers->threads),
        .sessions_max = sessions_max,
        .pipes_max = workers->options.descriptors.pipes,
    };

    return worker_init(&thread->worker, &options);
}

/* With the mutex. */
static bool all_alive(const struct workers *workers)
{
    for (unsigned i = 0; i < workers->count; i++)
        if (!workers->threads[i].alive && !workers->threads[i].ended)
            return false;
    return true;
}

static void tell(struct worker_thread *thread, bool *what, int error)
{
    struct workers *workers = thread->worker.workers;

    pthread_mutex_lock(&workers->mutex);
    *what = true;
    if (!thread->error)
        thread->error = error;
    if (thread->worker.ring && !workers->engine_name) {
        workers->engine_name = ring_engine_name(thread->worker.ring);
        workers->engine_refusal = ring_engine_refusal(thread->worker.ring);
    }
    pthread_cond_broadcast(&workers->told);
    bool event = what == &thread->ended || (what == &thread->alive && all_alive(workers));
    pthread_mutex_unlock(&workers->mutex);
    if (event)
        eventfd_write(workers->event, 1);
}

static void *run(void *argument)
{
    struct worker_thread *thread = argument;
    int error = start(thread);

    if (error == 0) {
        tell(thread, &thread->started, 0);
        error = worker_run(&thread->worker);
        if (error == 0)
            worker_deinit(&thread->worker);
    } else {
        tell(thread, &thread->started, error);
    }
    tell(thread, &thread->ended, error);
    return NULL;
}

static int thread_start(struct workers *workers)
{
    struct worker_thread *thread = &workers->threads[workers->count];
    char name[16];

    thread->worker.workers = workers;
    int error = mailbox_init(&thread->worker.mailbox);
    if (error < 0)
        return error;
    error = pthread_create(&thread->id, NULL, run, thread);
    if (error) {
        mailbox_deinit(&thread->worker.mailbox);
        return -error;
    }
    snprintf(name, sizeof(name), "worker %u", workers->count);
    pthread_setname_np(thread->id, name);
    workers->count++;
    return 0;
}

/* The first error of a start, when all have told theirs. */
static int wait_started(struct workers *workers, bool *ret_refused)
{
    int error = 0;

    pthread_mutex_lock(&workers->mutex);
    for (unsigned i = 0; i < workers->count; i++) {
        struct worker_thread *thread = &workers->threads[i];
        while (!thread->started)
            pthread_cond_wait(&workers->told, &workers->mutex);
        if (thread->error && !error) {
            error = thread->error;
            *ret_refused = thread->worker.refused;
        }
    }
    pthread_mutex_unlock(&workers->mutex);
    return error;
}

int workers_start(struct workers **ret, const struct workers_options *options, bool *ret_refused)
{
    struct workers *workers =
        calloc(1, sizeof(*workers) + options->count * sizeof(struct worker_thread));
    int error = 0;

    *ret_refused = false;
    if (!workers)
        return -ENOMEM;
    workers->options = *options;
    workers->event = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->told, NULL);
    for (unsigned i = 0; i < options->count && error == 0; i++)
        error = thread_start(workers);
    if (error == 0)
        error = wait_started(workers, ret_refused);
    if (error == 0) {
        *ret = workers;
        return 0;
    }
    struct sessions_totals none;
    workers_command(workers, MAILBOX_END);
    workers_free(workers, &none);
    return error;
}

/* A socket of its own for each: who stops accepting closes it, whatever the others do. */
static int open_one(struct worker *worker, struct opening *opening, const struct bound *bound)
{
    struct mailbox_change change = {
        .kind = MAILBOX_OPEN,
        .opening = opening_ref(opening),
        .bound = *bound,
    };

    change.bound.path[0] = '\0';
    change.bound.fd = fcntl(bound->fd, F_DUPFD_CLOEXEC, 0);
    int error = change.bound.fd < 0 ? -errno : 0;
    if (error == 0 && mailbox_change(&worker->mailbox, &change))
        return 0;
    if (error < 0)
        opening_unref(opening);
    else
        mailbox_change_drop(&change);
    return error < 0 ? error : -ENOMEM;
}

int workers_open(struct workers *workers, struct opening *opening, const struct bound *bound)
{
    for (unsigned i = 0; i < workers->count; i++) {
        int error = open_one(&workers->threads[i].worker, opening, bound);
        if (error < 0) {
            workers_close(workers, opening);
            return error;
        }
    }
    return 0;
}

/* Each gets references of its own. */
static void tell_all(struct workers *workers, const struct mailbox_change *change)
{
    for (unsigned i = 0; i < workers->count; i++) {
        struct mailbox_change own = {
            .kind = change->kind,
            .opening = change->opening ? opening_ref(change->opening) : NULL,
            .replacement = change->replacement ? opening_ref(change->replacement) : NULL,
            .guest = change->guest ? guest_use_ref(change->guest) : NULL,
        };
        if (!mailbox_change(&workers->threads[i].worker.mailbox, &own))
            mailbox_change_drop(&own);
    }
}

void workers_replace(struct workers *workers, struct opening *opening, struct opening *replacement)
{
    tell_all(workers, &(struct mailbox_change){
                          .kind = MAILBOX_REPLACE,
                          .opening = opening,
                          .replacement = replacement,
                      });
}

void workers_close(struct workers *workers, struct opening *opening)
{
    tell_all(workers, &(struct mailbox_change){.kind = MAILBOX_CLOSE, .opening = opening});
}

void workers_await_closed(struct workers *workers)
{
    pthread_mutex_lock(&workers->mutex);
    for (unsigned i = 0; i < workers->count; i++)
        workers->threads[i].closed = false;
    pthread_mutex_unlock(&workers->mutex);
    for (unsigned i = 0; i < workers->count; i++)
        mailbox_ask_closed(&workers->threads[i].worker.mailbox);
    pthread_mutex_lock(&workers->mutex);
    for (unsigned i = 0; i < workers->count; i++)
        while (!workers->threads[i].closed && !workers->threads[i].ended)
            pthread_cond_wait(&workers->told, &workers->mutex);
    pthread_mutex_unlock(&workers->mutex);
}

void workers_end_guest(struct workers *workers, struct guest_use *guest)
{
    tell_all(workers, &(struct mailbox_change){.kind = MAILBOX_END_GUEST, .guest = guest});
}

void workers_ask(struct workers *workers, struct inquiry *inquiry)
{
    for (unsigned i = 0; i < workers->count; i++) {
        struct mailbox_change change = {.kind = MAILBOX_ASK, .part = &inquiry->parts[i]};
        inquiry_ref(inquiry);
        if (!mailbox_change(&workers->threads[i].worker.mailbox, &change))
            mailbox_change_drop(&change);
    }
}

static uint64_t turns_of(struct workers *workers, unsigned index)
{
    return atomic_load_explicit(&workers->threads[index].worker.showing.at[SHOWING_TURNS],
                                memory_order_relaxed);
}

bool workers_await_answers(struct workers *workers, struct inquiry *inquiry, uint64_t step_ns,
                           unsigned steps_max, unsigned *ret_silent, bool *ret_turns)
{
    unsigned silent = workers->count;
    uint64_t turns = 0;

    *ret_turns = true;
    for (unsigned step = 0; step < steps_max && *ret_turns; step++) {
        if (inquiry_wait(inquiry, step_ns, ret_silent))
            return true;
        uint64_t turns_now = turns_of(workers, *ret_silent);
        *ret_turns = *ret_silent != silent || turns_now != turns;
        silent = *ret_silent;
        turns = turns_now;
    }
    return false;
}

int workers_event(const struct workers *workers)
{
    return workers->event;
}

void workers_ping(struct workers *workers)
{
    pthread_mutex_lock(&workers->mutex);
    for (unsigned i = 0; i < workers->count; i++)
        workers->threads[i].alive = false;
    pthread_mutex_unlock(&workers->mutex);
    for (unsigned i = 0; i < workers->count; i++)
        mailbox_ping(&workers->threads[i].worker.mailbox);
}

bool workers_answered(struct workers *workers)
{
    pthread_mutex_lock(&workers->mutex);
    bool answered = all_alive(workers);
    pthread_mutex_unlock(&workers->mutex);
    return answered;
}

unsigned workers_running(struct workers *workers, int *ret_error)
{
    unsigned running = 0;

    *ret_error = 0;
    pthread_mutex_lock(&workers->mutex);
    for (unsigned i = 0; i < workers->count; i++) {
        running += !workers->threads[i].ended;
        if (!*ret_error)
            *ret_error = workers->threads[i].error;
    }
    pthread_mutex_unlock(&workers->mutex);
    return running;
}

size_t workers_load(const struct workers *workers)
{
    size_t load = 0;

    for (unsigned i = 0; i < workers->count; i++)
        load += atomic_load(&workers->threads[i].worker.load);
    return load;
}

size_t workers_load_of(const struct workers *workers, unsigned index)
{
    return atomic_load(&workers->threads[index].worker.load);
}

uint64_t workers_shown(const struct workers *workers, enum showing_item item)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < workers->count; i++)
        sum += atomic_load_explicit(&workers->threads[i].worker.showing.at[item],
                                    memory_order_relaxed);
    return sum;
}

const char *workers_load_format(const struct workers *workers, char text[static WORKERS_LOAD_BYTES])
{
    int length = snprintf(text, WORKERS_LOAD_BYTES, "%zu sessions", workers_load(workers));

    for (unsigned i = 0; i < workers->count && workers->count > 1; i++)
        if (length < WORKERS_LOAD_BYTES - 32)
            length +=
                snprintf(text + length, WORKERS_LOAD_BYTES - (size_t)length, "%s%zu",
                         i == 0 ? " (" : " + ", atomic_load(&workers->threads[i].worker.load));
    if (workers->count > 1)
        snprintf(text + length, WORKERS_LOAD_BYTES - (size_t)length, ")");
    return text;
}

void workers_command(struct workers *workers, enum mailbox_order order)
{
    for (unsigned i = 0; i < workers->count; i++)
        mailbox_command(&workers->threads[i].worker.mailbox, order);
}

void workers_drain(struct workers *workers)
{
    workers_command(workers, MAILBOX_DRAIN);
    pthread_mutex_lock(&workers->mutex);
    for (unsigned i = 0; i < workers->count; i++)
        while (!workers->threads[i].deaf && !workers->threads[i].ended)
            pthread_cond_wait(&workers->told, &workers->mutex);
    pthread_mutex_unlock(&workers->mutex);
}

void workers_deaf(struct worker *worker)
{
    struct worker_thread *thread =
        (void *)((char *)worker - offsetof(struct worker_thread, worker));

    tell(thread, &thread->deaf, 0);
}

void workers_closed(struct worker *worker)
{
    struct worker_thread *thread =
        (void *)((char *)worker - offsetof(struct worker_thread, worker));

    tell(thread, &thread->closed, 0);
}

void workers_alive(struct worker *worker)
{
    struct worker_thread *thread =
        (void *)((char *)worker - offsetof(struct worker_thread, worker));

    tell(thread, &thread->alive, 0);
}

const char *workers_engine_name(const struct workers *workers)
{
    return workers->engine_name;
}

int workers_engine_refusal(const struct workers *workers)
{
    return workers->engine_refusal;
}

void workers_free(struct workers *workers, struct sessions_totals *ret_totals)
{
    *ret_totals = (struct sessions_totals){0};
    for (unsigned i = 0; i < workers->count; i++) {
        const struct sessions_totals *totals = &workers->threads[i].worker.sessions.totals;
        pthread_join(workers->threads[i].id, NULL);
        ret_totals->sessions += totals->sessions;
        ret_totals->bytes += totals->bytes;
        for (unsigned way = 0; way < ROUTE_LANE_COUNT; way++)
            ret_totals->ways[way] += totals->ways[way];
    }
    for (unsigned i = 0; i < workers->count; i++)
        mailbox_deinit(&workers->threads[i].worker.mailbox);
    close(workers->event);
    pthread_mutex_destroy(&workers->mutex);
    pthread_cond_destroy(&workers->told);
    free(workers);
}

struct worker *workers_choose(struct workers *workers, struct worker *self)
{
    size_t least = atomic_load(&self->load);
    struct worker *chosen = self;

    for (unsigned i = 0; i < workers->options.count; i++) {
        struct worker *other = &workers->threads[i].worker;
        size_t load = atomic_load(&other->load);
        if (load < least) {
            least = load;
            chosen = other;
        }
    }
    return chosen;
}

void workers_wake(struct workers *workers, uint64_t which)
{
    for (unsigned i = 0; which && i < workers->count; i++)
        if (which >> i % 64 & 1)
            mailbox_wake(&workers->threads[i].worker.mailbox);
}

atomic_uint_fast64_t *workers_numbers(struct workers *workers)
{
    return &workers->numbers;
}

unsigned workers_count(const struct workers *workers)
{
    return workers->options.count;
}
