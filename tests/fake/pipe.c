/* ring/pipe.h on pipes in memory. A pipe has slots, of a page each: a slot holds one piece of
 * bytes, however small, and none is added to a piece that is there already. */
#include "ring/pipe.h"

#include "tests/fake/internal.h"

#include <errno.h>
#include <stdlib.h>

#define FD_FIRST    900000 /* of another range than the descriptors' */
#define PAGE_BYTES  4096
#define SMALL_BYTES 64          /* of a piece */
#define LARGE_BYTES (32 * 1024) /* of TCP on loopback */

struct piece {
    struct piece *next;
    size_t offset; /* of the bytes that have not gone */
    size_t length;
    char bytes[];
};

struct pipe {
    struct pipe *next; /* of all that are open */
    int out;
    int in;
    size_t bytes;
    size_t slots;
    size_t slots_used;
    struct piece *first;
    struct piece **last;
};

static struct pipe *find(const struct ring_pipe *pipe, const char *what)
{
    struct fake *fake = fake_current;
    struct pipe *found = fake->pipes;

    while (found && found->out != pipe->out)
        found = found->next;
    if (!found || found->in != pipe->in)
        fake_fail(fake, "%s of a pipe that is not open", what);
    if (found->bytes != pipe->bytes)
        fake_fail(fake, "%s of a pipe that holds %zu bytes and not %zu", what, found->bytes,
                  pipe->bytes);
    return found;
}

static struct descriptor *socket_of(int fd, const char *what)
{
    struct descriptor *descriptor = descriptor_of(fake_current, fd, what);
    if (descriptor->connecting || descriptor->listening)
        fake_fail(fake_current, "%s on descriptor %d, which is not connected", what, fd);
    return descriptor;
}

int ring_pipe_init(struct ring_pipe *ret, size_t bytes)
{
    struct fake *fake = fake_current;

    if (fake_fault(fake, fake->faults.no_pipes))
        return -EMFILE;
    struct pipe *pipe = fake_allocate(sizeof(*pipe));
    *pipe = (struct pipe){
        .next = fake->pipes,
        .out = FD_FIRST + fake->pipe_fd_next,
        .in = FD_FIRST + fake->pipe_fd_next + 1,
        .slots = bytes > PAGE_BYTES ? bytes / PAGE_BYTES : 1,
        .last = &pipe->first,
    };
    if (fake_fault(fake, fake->faults.small_pipes))
        pipe->slots = random_size(&fake->random, pipe->slots);
    fake->pipe_fd_next += 2;
    fake->pipes = pipe;
    fake->pipes_open++;
    *ret = (struct ring_pipe){.out = pipe->out, .in = pipe->in};
    fake_note(fake, "pipe(%d, %d) of %zu slots", pipe->out, pipe->in, pipe->slots);
    return 0;
}

static void drop_first(struct pipe *pipe)
{
    struct piece *piece = pipe->first;

    pipe->first = piece->next;
    if (!pipe->first)
        pipe->last = &pipe->first;
    pipe->slots_used--;
    free(piece);
}

static void pipe_free(struct pipe *pipe)
{
    while (pipe->first)
        drop_first(pipe);
    free(pipe);
}

void ring_pipe_deinit(struct ring_pipe *ring_pipe)
{
    struct fake *fake = fake_current;
    struct pipe *pipe = find(ring_pipe, "ring_pipe_deinit()");
    struct pipe **link = &fake->pipes;

    fake_note(fake, "pipe(%d, %d) ends with %zu bytes in it", pipe->out, pipe->in, pipe->bytes);
    fake->pipes_spilt += pipe->bytes > 0;
    fake->pipes_open--;
    while (*link != pipe)
        link = &(*link)->next;
    *link = pipe->next;
    pipe_free(pipe);
}

void pipes_free(struct fake *fake)
{
    while (fake->pipes) {
        struct pipe *pipe = fake->pipes;
        fake->pipes = pipe->next;
        pipe_free(pipe);
    }
}

/* What the socket says when nothing was taken; else the count, put into a slot of its own. */
static long fill_slot(struct pipe *pipe, struct net_socket *socket, size_t bytes_max)
{
    struct piece *piece = fake_allocate(sizeof(*piece) + bytes_max);
    long result = net_receive(socket, piece->bytes, bytes_max, false);

    if (result <= 0) {
        free(piece);
        return result;
    }
    piece->length = (size_t)result;
    *pipe->last = piece;
    pipe->last = &piece->next;
    pipe->slots_used++;
    pipe->bytes += piece->length;
    return result;
}

static size_t piece_bytes_max(struct fake *fake)
{
    if (fake_fault(fake, fake->faults.pieces))
        return SMALL_BYTES;
    return fake_random(fake) % 2 ? PAGE_BYTES : LARGE_BYTES;
}

/* An error behind the bytes stays where it is. */
static long fill(struct pipe *pipe, struct net_socket *socket, size_t bytes_max)
{
    size_t space = (pipe->slots - pipe->slots_used) * PAGE_BYTES;
    size_t piece = piece_bytes_max(fake_current);
    size_t total = 0;
    long result = -EAGAIN;

    if (bytes_max > space)
        bytes_max = space;
    while (total < bytes_max && pipe->slots_used < pipe->slots && (!total || socket->arrived)) {
        size_t left = bytes_max - total;
        result = fill_slot(pipe, socket, left < piece ? left : piece);
        if (result <= 0)
            break;
        total += (size_t)result;
    }
    return total ? (long)total : result;
}

ssize_t ring_pipe_fill(struct ring_pipe *ring_pipe, int fd, size_t bytes_max)
{
    struct fake *fake = fake_current;
    struct pipe *pipe = find(ring_pipe, "ring_pipe_fill()");
    struct descriptor *descriptor = socket_of(fd, "ring_pipe_fill()");

    if (!descriptor->reads)
        fake_fail(fake, "descriptor %d is not for reading", fd);
    if (bytes_max == 0)
        fake_fail(fake, "ring_pipe_fill() of no bytes, which would look like end-of-file");
    flights_check_reader(fake, descriptor, "ring_pipe_fill()");
    int fault = fault_of_receive(fake, true);
    if (fault)
        return fault;
    if (bytes_max > 1 && fake_fault(fake, fake->faults.short_receive))
        bytes_max = random_size(&fake->random, bytes_max);
    long result = fill(pipe, descriptor->socket, bytes_max);
    ring_pipe->bytes = pipe->bytes;
    fake_note(fake, "fill(%d) = %ld, %zu bytes in %zu of %zu slots", fd, result, pipe->bytes,
              pipe->slots_used, pipe->slots);
    return result;
}

static long drain(struct pipe *pipe, struct net_socket *socket, size_t bytes_max)
{
    size_t total = 0;
    long result = 0;

    while (total < bytes_max) {
        struct piece *piece = pipe->first;
        size_t left = piece->length - piece->offset;
        if (bytes_max - total < left)
            left = bytes_max - total;
        result = net_send(socket, piece->bytes + piece->offset, left);
        if (result <= 0)
            break;
        piece->offset += (size_t)result;
        pipe->bytes -= (size_t)result;
        total += (size_t)result;
        if (piece->offset == piece->length)
            drop_first(pipe);
    }
    return total ? (long)total : result;
}

ssize_t ring_pipe_drain(struct ring_pipe *ring_pipe, int fd)
{
    struct fake *fake = fake_current;
    struct pipe *pipe = find(ring_pipe, "ring_pipe_drain()");
    struct descriptor *descriptor = socket_of(fd, "ring_pipe_drain()");
    size_t bytes_max = pipe->bytes;

    if (descriptor->kind == FAKE_FILE)
        fake_fail(fake, "ring_pipe_drain() to descriptor %d, which is no socket", fd);
    if (bytes_max == 0)
        fake_fail(fake, "ring_pipe_drain() of a pipe that holds nothing");
    flights_check_writer(fake, descriptor, "ring_pipe_drain()");
    int fault = fault_of_send(fake, true);
    if (fault)
        return fault;
    if (bytes_max > 1 && fake_fault(fake, fake->faults.short_send))
        bytes_max = random_size(&fake->random, bytes_max - 1);
    long result = drain(pipe, descriptor->socket, bytes_max);
    ring_pipe->bytes = pipe->bytes;
    fake_note(fake, "drain(%d) = %ld, %zu bytes left", fd, result, pipe->bytes);
    return result;
}
