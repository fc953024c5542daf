// relay.go's likeness over AF_VSOCK, by mdlayher/vsock, the package that Go programs use for it.
//
// usage: vsock_relay LISTEN TARGET    each tcp:HOST:PORT, unix:/PATH or vsock:CID:PORT
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"

	"github.com/mdlayher/vsock"
)

type halfCloser interface {
	CloseWrite() error
}

func numbers(address string) (cid, port uint32) {
	if _, err := fmt.Sscanf(address, "%d:%d", &cid, &port); err != nil {
		log.Fatal(address, ": ", err)
	}
	return cid, port
}

func listen(endpoint string) (net.Listener, error) {
	network, address, _ := strings.Cut(endpoint, ":")
	if network != "vsock" {
		return net.Listen(network, address)
	}
	cid, port := numbers(address)
	return vsock.ListenContextID(cid, port, nil)
}

func dial(endpoint string) (net.Conn, error) {
	network, address, _ := strings.Cut(endpoint, ":")
	if network != "vsock" {
		return net.Dial(network, address)
	}
	cid, port := numbers(address)
	return vsock.Dial(cid, port, nil)
}

func pump(to, from net.Conn, done chan<- struct{}) {
	io.Copy(to, from)
	to.(halfCloser).CloseWrite()
	done <- struct{}{}
}

func relay(initiator net.Conn, endpoint string) {
	defer initiator.Close()
	target, err := dial(endpoint)
	if err != nil {
		log.Print(err)
		return
	}
	defer target.Close()
	done := make(chan struct{})
	go pump(target, initiator, done)
	go pump(initiator, target, done)
	<-done
	<-done
}

func main() {
	listener, err := listen(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		initiator, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go relay(initiator, os.Args[2])
	}
}
