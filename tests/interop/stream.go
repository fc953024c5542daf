package main

import (
	"io"

	"github.com/mdlayher/vsock"
)

const (
	patternBytes = 1000003 // a prime: bytes that are lost, doubled or out of order show wherever they are
	chunkBytes   = 64 * 1024
	fnvBasis     = 0xcbf29ce484222325
	fnvPrime     = 0x100000001b3
)

// What went one way so far: every byte in FNV-1a, 64 bits.
type total struct {
	count uint64
	hash  uint64
}

type stream struct {
	conn           *vsock.Conn
	sent, received total
}

var pattern = func() []byte {
	bytes := make([]byte, patternBytes)
	state := uint64(0xd1342543de82ef95)
	for i := range bytes {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		bytes[i] = byte(state >> 32)
	}
	return bytes
}()

func (total *total) add(bytes []byte) {
	hash := total.hash
	for _, each := range bytes {
		hash = (hash ^ uint64(each)) * fnvPrime
	}
	total.hash = hash
	total.count += uint64(len(bytes))
}

func least(a, b int) int {
	if a < b {
		return a
	}
	return b
}

// Takes the connection.
func (stream *stream) begin(conn *vsock.Conn) {
	if stream.conn != nil {
		stream.conn.Close()
	}
	stream.conn = conn
	stream.sent = total{hash: fnvBasis}
	stream.received = stream.sent
}

// The next bytes of the pattern. What fails goes on later behind the last byte that was sent.
func (stream *stream) send(count uint32) error {
	for left := int(count); left > 0; {
		at := int(stream.sent.count % patternBytes)
		part := pattern[at : at+least(left, patternBytes-at)]
		written, err := stream.conn.Write(part)
		stream.sent.add(part[:written])
		left -= written
		if err != nil {
			return err
		}
	}
	return nil
}

// io.EOF where it came early.
func (stream *stream) receive(count uint32) error {
	bytes := make([]byte, chunkBytes)
	for left := int(count); left > 0; {
		length, err := stream.conn.Read(bytes[:least(left, len(bytes))])
		stream.received.add(bytes[:length])
		left -= length
		if err != nil {
			return err
		}
		if length == 0 {
			return io.ErrNoProgress
		}
	}
	return nil
}

// Both at once.
func (stream *stream) exchange(count uint32) error {
	sent := make(chan error)
	go func() { sent <- stream.send(count) }()
	err := stream.receive(count)
	if sendErr := <-sent; sendErr != nil {
		return sendErr
	}
	return err
}
