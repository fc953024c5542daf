package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"

	"github.com/mdlayher/vsock"
)

var errWrong = errors.New("a wrong answer")

func readNumber(conn net.Conn) (uint64, error) {
	var bytes [8]byte
	_, err := io.ReadFull(conn, bytes[:])
	return binary.LittleEndian.Uint64(bytes[:]), err
}

func writeNumber(conn net.Conn, number uint64) error {
	var bytes [8]byte
	binary.LittleEndian.PutUint64(bytes[:], number)
	_, err := conn.Write(bytes[:])
	return err
}

func expectEnd(conn net.Conn) error {
	_, err := conn.Read(make([]byte, 1))
	switch err {
	case io.EOF:
		return nil
	case nil:
		return errWrong
	}
	return err
}

func answerOne(conn *vsock.Conn) error {
	defer conn.Close()
	number, err := readNumber(conn)
	if err == nil {
		err = writeNumber(conn, ^number)
	}
	if err == nil {
		err = conn.CloseWrite()
	}
	if err != nil {
		return err
	}
	return expectEnd(conn)
}

func visitOne(cid, port uint32, number uint64) error {
	conn, err := vsock.Dial(cid, port, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := writeNumber(conn, number); err != nil {
		return err
	}
	answer, err := readNumber(conn)
	if err != nil {
		return err
	}
	if answer != ^number {
		return errWrong
	}
	return expectEnd(conn)
}

// The first error of so many.
func firstError(count uint32, errs <-chan error) error {
	var first error
	for i := uint32(0); i < count; i++ {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Accepts count connections and answers them.
func serve(listener *vsock.Listener, count uint32) error {
	errs := make(chan error, count)
	for i := uint32(0); i < count; i++ {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() { errs <- answerOne(conn.(*vsock.Conn)) }()
	}
	return firstError(count, errs)
}

// Dials count times, so many at once.
func visit(cid, port, count, atOnce uint32) error {
	errs := make(chan error, count)
	begun := uint64(0)
	for i := uint32(0); i < atOnce; i++ {
		go func() {
			for number := atomic.AddUint64(&begun, 1); number <= uint64(count); number = atomic.AddUint64(&begun, 1) {
				errs <- visitOne(cid, port, number)
			}
		}()
	}
	return firstError(count, errs)
}
