// One end, on mdlayher/vsock, for commands from standard input; its likeness on libvsock is end.c, which tells the
// commands and their answers.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mdlayher/vsock"
	"golang.org/x/sys/unix"
)

const blocks = 200 * time.Millisecond // a goroutine that was started stands in its call by then

var (
	listener *vsock.Listener
	traffic  stream
)

func number(word string) uint32 {
	value, err := strconv.ParseUint(word, 10, 32)
	if err != nil {
		panic(err)
	}
	return uint32(value)
}

func deadline(ms string) time.Time {
	if number(ms) == 0 {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(number(ms)) * time.Millisecond)
}

// ---- Answers ----

func reason(err error) string {
	var errno unix.Errno
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "ETIMEDOUT"
	case strings.HasSuffix(err.Error(), "use of closed network connection"):
		return "EBADF"
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	}
	return "?"
}

func failed(err error) string {
	return fmt.Sprint("failed ", reason(err), " ", err)
}

func listenerAnswer(err error) string {
	if err != nil {
		return failed(err)
	}
	return fmt.Sprint("ok ", listener.Addr())
}

func connAnswer(err error) string {
	switch {
	case err == io.EOF:
		return "eof"
	case err != nil:
		return failed(err)
	}
	return fmt.Sprint("ok ", traffic.conn.LocalAddr(), " ", traffic.conn.RemoteAddr())
}

func plainAnswer(err error, words ...any) string {
	if err != nil {
		return failed(err)
	}
	return strings.TrimSpace("ok " + fmt.Sprint(words...))
}

// ---- Listeners ----

func listenAnswer(made *vsock.Listener, err error) string {
	if err != nil {
		return failed(err)
	}
	if listener != nil {
		listener.Close()
	}
	listener = made
	return listenerAnswer(nil)
}

func listen(words []string) string {
	if words[1] == "own" {
		return listenAnswer(vsock.Listen(number(words[2]), nil))
	}
	return listenAnswer(vsock.ListenContextID(number(words[1]), number(words[2]), nil))
}

func inherit(words []string) string {
	fd, err := unix.Dup(int(number(words[1])))
	if err != nil {
		return failed(err)
	}
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close()
	return listenAnswer(vsock.FileListener(file))
}

func accept([]string) string {
	conn, err := listener.Accept()
	if err != nil {
		return failed(err)
	}
	traffic.begin(conn.(*vsock.Conn))
	return connAnswer(nil)
}

// ---- Connections ----

func dial(words []string) string {
	conn, err := vsock.Dial(number(words[1]), number(words[2]), nil)
	if err != nil {
		return failed(err)
	}
	traffic.begin(conn)
	return connAnswer(nil)
}

func totals([]string) string {
	sent, received := traffic.sent, traffic.received
	return fmt.Sprintf("ok %d %016x %d %016x", sent.count, sent.hash, received.count, received.hash)
}

// The answer of a call that waits in another goroutine until it is woken.
func woken(waits func() string, wakes func() error) string {
	answer := make(chan string)
	go func() { answer <- waits() }()
	time.Sleep(blocks)
	if err := wakes(); err != nil {
		return failed(err)
	}
	return <-answer
}

func receiveOne() string { return connAnswer(traffic.receive(1)) }

// ---- Words ----

func contextID([]string) string {
	cid, err := vsock.ContextID()
	return plainAnswer(err, cid)
}

var commands = map[string]func([]string) string{
	"listen":  listen,
	"inherit": inherit,
	"accept":  accept,
	"accept-deadline": func(words []string) string {
		return listenerAnswer(listener.SetDeadline(deadline(words[1])))
	},
	"close-listener": func([]string) string { return listenerAnswer(listener.Close()) },

	"dial":    dial,
	"send":    func(words []string) string { return connAnswer(traffic.send(number(words[1]))) },
	"receive": func(words []string) string { return connAnswer(traffic.receive(number(words[1]))) },
	"exchange": func(words []string) string {
		return connAnswer(traffic.exchange(number(words[1])))
	},
	"totals":      totals,
	"close-write": func([]string) string { return connAnswer(traffic.conn.CloseWrite()) },
	"close-read":  func([]string) string { return connAnswer(traffic.conn.CloseRead()) },
	"close":       func([]string) string { return connAnswer(traffic.conn.Close()) },
	"deadline": func(words []string) string {
		return connAnswer(traffic.conn.SetDeadline(deadline(words[1])))
	},
	"read-deadline": func(words []string) string {
		return connAnswer(traffic.conn.SetReadDeadline(deadline(words[1])))
	},
	"write-deadline": func(words []string) string {
		return connAnswer(traffic.conn.SetWriteDeadline(deadline(words[1])))
	},

	"accept-and-close": func([]string) string {
		return woken(func() string { return accept(nil) }, listener.Close)
	},
	"receive-and-close": func([]string) string { return woken(receiveOne, traffic.conn.Close) },
	"receive-and-deadline": func([]string) string {
		return woken(receiveOne, func() error { return traffic.conn.SetReadDeadline(time.Now()) })
	},

	"serve": func(words []string) string { return listenerAnswer(serve(listener, number(words[1]))) },
	"visit": func(words []string) string {
		return plainAnswer(visit(number(words[1]), number(words[2]), number(words[3]), number(words[4])))
	},

	"context-id": contextID,
}

func proveLoopback() {
	fd, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrVM{CID: unix.VMADDR_CID_LOCAL, Port: unix.VMADDR_PORT_ANY})
	}
	if err != nil {
		fmt.Println("SKIP: end: no AF_VSOCK loopback here:", err)
		os.Exit(77)
	}
	unix.Close(fd)
}

func main() {
	proveLoopback()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		run, known := commands[words[0]]
		if !known {
			fmt.Println("failed EINVAL no such command")
			continue
		}
		fmt.Println(run(words))
	}
}
