/* The resolver's thread, and the answers it has given.
 *
 * The thread owns nothing but its two queues: names to ask for (`asked`) and answers (`answered`),
 * both under the mutex. All else belongs to the worker, which an eventfd tells of new answers.
 */
#include "proxy/resolver.h"
#include "proxy/machine.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define JOIN_PATIENCE_S 1
#define THREADS_MAX     16

/* What a name is the name of. */
struct kind {
    /* Asks, and may wait. 0 and the addresses, or an error as resolver_handler has it. */
    int (*find)(const char *text, uint32_t port, struct addresses **ret);
    uint64_t fresh_ns;
    bool stale_serves;
};

struct name {
    struct name *next; /* of all names, most recently used first */
    const struct kind *kind;
    char *text;
    uint32_t port;
    struct addresses *addresses; /* the latest answer that had some; of use, unless it is stale */
    uint64_t answered_ns;        /* 0: never */
    bool asking;
    struct resolver_wait *waits;
};

/* One question on its way to the thread and back. */
struct question {
    struct question *next;
    struct name *name;
    const struct kind *kind;
    char *text;
    uint32_t port;
    struct addresses *addresses;
    int error;
};

struct resolver {
    struct ring *ring;
    struct ring_op answers;
    struct ring_op cancel;
    int eventfd;
    struct name *names;
    size_t name_count;

    pthread_t threads[THREADS_MAX];
    unsigned thread_count;

    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct question *asked;
    struct question **asked_last;
    struct question *answered;
    unsigned unanswered; /* asked, and not answered yet */
    bool ending;
};

static struct addresses *addresses_of(const struct addrinfo *found, uint32_t port)
{
    size_t count = 0;
    for (const struct addrinfo *info = found; info; info = info->ai_next)
        count++;
    struct addresses *addresses = addresses_new(count);
    if (!addresses)
        return NULL;
    for (size_t i = 0; i < count; i++, found = found->ai_next) {
        addresses->at[i].length = found->ai_addrlen;
        memcpy(&addresses->at[i].storage, found->ai_addr, found->ai_addrlen);
        address_set_port(&addresses->at[i], port);
    }
    return addresses;
}

static int host_find(const char *host, uint32_t port, struct addresses **ret)
{
    struct addrinfo hints = {.ai_flags = AI_ADDRCONFIG, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;

    int error = getaddrinfo(host, NULL, &hints, &found);
    if (error)
        return error;
    *ret = addresses_of(found, port);
    freeaddrinfo(found);
    return *ret ? 0 : EAI_MEMORY;
}

static int machine_find(const char *machine, uint32_t port, struct addresses **ret)
{
    struct endpoint endpoint = {.kind = ENDPOINT_VSOCK, .port = port};

    int error = machine_find_cid(machine, &endpoint.cid);
    if (error)
        return error;
    *ret = addresses_new(1);
    if (!*ret)
        return -ENOMEM;
    return address_of_endpoint(&endpoint, &(*ret)->at[0]);
}

static const struct kind hosts = {host_find, RESOLVER_FRESH_NS, true};
static const struct kind machines = {machine_find, RESOLVER_MACHINE_FRESH_NS, false};

static void question_free(struct question *question)
{
    addresses_unref(question->addresses);
    free(question->text);
    free(question);
}

static void *resolver_thread(void *argument)
{
    struct resolver *resolver = argument;

    pthread_mutex_lock(&resolver->mutex);
    while (!resolver->ending) {
        struct question *question = resolver->asked;
        if (!question) {
            pthread_cond_wait(&resolver->wake, &resolver->mutex);
            continue;
        }
        resolver->asked = question->next;
        if (!resolver->asked)
            resolver->asked_last = &resolver->asked;
        pthread_mutex_unlock(&resolver->mutex);
        question->error =
            question->kind->find(question->text, question->port, &question->addresses);
        pthread_mutex_lock(&resolver->mutex);
        question->next = resolver->answered;
        resolver->answered = question;
        resolver->unanswered--;
        eventfd_write(resolver->eventfd, 1);
    }
    pthread_mutex_unlock(&resolver->mutex);
    return NULL;
}

static void wait_over(struct resolver_wait *wait, struct addresses *addresses, int error)
{
    resolver_forget(wait);
    wait->handler(wait, addresses, error);
}

static void settle(struct resolver *resolver, struct question *question)
{
    struct name *name = question->name;

    name->asking = false;
    name->answered_ns = ring_now_ns(resolver->ring);
    if (question->addresses) {
        addresses_unref(name->addresses);
        name->addresses = addresses_ref(question->addresses);
    }
    /* A handler may look up again, and so wait anew, or have the name evicted. */
    struct resolver_wait *waits = name->waits;
    if (waits)
        waits->link = &waits;
    name->waits = NULL;
    while (waits)
        wait_over(waits, question->addresses, question->error);
}

static void answers_arrived(struct ring_op *op, int result, unsigned flags)
{
    struct resolver *resolver = (void *)((char *)op - offsetof(struct resolver, answers));
    eventfd_t count;

    if (result == -ECANCELED)
        return;
    eventfd_read(resolver->eventfd, &count);
    pthread_mutex_lock(&resolver->mutex);
    struct question *answered = resolver->answered;
    resolver->answered = NULL;
    pthread_mutex_unlock(&resolver->mutex);
    ring_poll(resolver->ring, &resolver->answers, answers_arrived, resolver->eventfd, POLLIN);
    while (answered) {
        struct question *question = answered;
        answered = question->next;
        settle(resolver, question);
        question_free(question);
    }
}

int resolver_new(struct resolver **ret, struct ring *ring)
{
    struct resolver *resolver = calloc(1, sizeof(*resolver));
    if (!resolver)
        return -ENOMEM;
    resolver->ring = ring;
    resolver->asked_last = &resolver->asked;
    resolver->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (resolver->eventfd < 0) {
        int error = -errno;
        free(resolver);
        return error;
    }
    pthread_mutex_init(&resolver->mutex, NULL);
    pthread_cond_init(&resolver->wake, NULL);
    ring_poll(ring, &resolver->answers, answers_arrived, resolver->eventfd, POLLIN);
    *ret = resolver;
    return 0;
}

static void cancelled(struct ring_op *op, int result, unsigned flags)
{
}

bool resolver_stop(struct resolver *resolver)
{
    pthread_mutex_lock(&resolver->mutex);
    resolver->ending = true;
    pthread_cond_broadcast(&resolver->wake);
    pthread_mutex_unlock(&resolver->mutex);
    if (resolver->answers.in_flight && !resolver->cancel.in_flight)
        ring_cancel(resolver->ring, &resolver->cancel, cancelled, resolver->eventfd);
    return !resolver->answers.in_flight && !resolver->cancel.in_flight;
}

static void questions_free(struct question *question)
{
    while (question) {
        struct question *next = question->next;
        question_free(question);
        question = next;
    }
}

static void name_free(struct name *name)
{
    assert(!name->waits);
    addresses_unref(name->addresses);
    free(name->text);
    free(name);
}

/* A name service that hangs does not hold the exit: false, and its threads keep what they use. */
static bool threads_join(struct resolver *resolver)
{
    bool joined = true;
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += JOIN_PATIENCE_S;
    for (unsigned i = 0; i < resolver->thread_count; i++) {
        if (pthread_timedjoin_np(resolver->threads[i], NULL, &until) == 0)
            continue;
        pthread_detach(resolver->threads[i]);
        joined = false;
    }
    return joined;
}

void resolver_free(struct resolver *resolver)
{
    if (!resolver)
        return;
    if (!threads_join(resolver))
        return;
    questions_free(resolver->asked);
    questions_free(resolver->answered);
    while (resolver->names) {
        struct name *name = resolver->names;
        resolver->names = name->next;
        name_free(name);
    }
    pthread_cond_destroy(&resolver->wake);
    pthread_mutex_destroy(&resolver->mutex);
    close(resolver->eventfd);
    free(resolver);
}

/* Forgets the least recently used name that nobody waits for and that is not being asked. */
static void evict(struct resolver *resolver)
{
    struct name **victim = NULL;
    for (struct name **link = &resolver->names; *link; link = &(*link)->next)
        if (!(*link)->waits && !(*link)->asking)
            victim = link;
    if (!victim)
        return;
    struct name *name = *victim;
    *victim = name->next;
    resolver->name_count--;
    name_free(name);
}

static struct name *name_find(struct resolver *resolver, const struct kind *kind, const char *text,
                              uint32_t port)
{
    for (struct name **link = &resolver->names; *link; link = &(*link)->next) {
        struct name *name = *link;
        if (name->kind != kind || name->port != port || strcmp(name->text, text) != 0)
            continue;
        *link = name->next;
        name->next = resolver->names;
        resolver->names = name;
        return name;
    }
    if (resolver->name_count >= RESOLVER_NAMES_MAX)
        evict(resolver);
    struct name *name = calloc(1, sizeof(*name));
    if (!name || !(name->text = strdup(text))) {
        free(name);
        return NULL;
    }
    name->kind = kind;
    name->port = port;
    name->next = resolver->names;
    resolver->names = name;
    resolver->name_count++;
    return name;
}

/* false: there is no thread at all to answer. */
static bool threads_suffice(struct resolver *resolver)
{
    unsigned count = resolver->thread_count;

    pthread_mutex_lock(&resolver->mutex);
    unsigned unanswered = resolver->unanswered;
    pthread_mutex_unlock(&resolver->mutex);

    if (count < unanswered && count < THREADS_MAX &&
        pthread_create(&resolver->threads[count], NULL, resolver_thread, resolver) == 0)
        resolver->thread_count++;
    return resolver->thread_count > 0;
}

static int ask(struct resolver *resolver, struct name *name)
{
    struct question *question = calloc(1, sizeof(*question));
    if (!question || !(question->text = strdup(name->text))) {
        free(question);
        return -ENOMEM;
    }
    question->name = name;
    question->kind = name->kind;
    question->port = name->port;
    name->asking = true;
    pthread_mutex_lock(&resolver->mutex);
    *resolver->asked_last = question;
    resolver->asked_last = &question->next;
    resolver->unanswered++;
    pthread_cond_signal(&resolver->wake);
    pthread_mutex_unlock(&resolver->mutex);
    return 0;
}

static int lookup(struct resolver *resolver, struct name *name, struct resolver_wait *wait,
                  resolver_handler *handler, struct addresses **ret)
{
    if (!name)
        return -ENOMEM;

    bool fresh = name->answered_ns != 0 &&
                 ring_now_ns(resolver->ring) - name->answered_ns < name->kind->fresh_ns;
    if (!fresh && !name->kind->stale_serves) {
        addresses_unref(name->addresses);
        name->addresses = NULL;
    }
    if (!name->asking && !(fresh && name->addresses) && ask(resolver, name) < 0)
        return -ENOMEM;
    if (name->asking && !threads_suffice(resolver))
        return -ENOMEM;
    if (name->addresses) {
        *ret = addresses_ref(name->addresses);
        return 0;
    }
    *wait = (struct resolver_wait){.handler = handler, .next = name->waits, .link = &name->waits};
    if (wait->next)
        wait->next->link = &wait->next;
    name->waits = wait;
    return -EAGAIN;
}

int resolver_lookup(struct resolver *resolver, const char *host, uint32_t port,
                    struct resolver_wait *wait, resolver_handler *handler, struct addresses **ret)
{
    return lookup(resolver, name_find(resolver, &hosts, host, port), wait, handler, ret);
}

int resolver_lookup_machine(struct resolver *resolver, const char *machine, uint32_t port,
                            struct resolver_wait *wait, resolver_handler *handler,
                            struct addresses **ret)
{
    return lookup(resolver, name_find(resolver, &machines, machine, port), wait, handler, ret);
}

void resolver_forget(struct resolver_wait *wait)
{
    if (!wait->link)
        return;
    *wait->link = wait->next;
    if (wait->next)
        wait->next->link = wait->link;
    wait->link = NULL;
}
