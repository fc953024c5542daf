// The relay that a Go programmer writes first: io.Copy both ways, half-close passed on.
//
// usage: relay LISTEN TARGET    each tcp:HOST:PORT or unix:/PATH
package main

import (
	"io"
	"log"
	"net"
	"os"
	"strings"
)

type halfCloser interface {
	CloseWrite() error
}

func pump(to, from net.Conn, done chan<- struct{}) {
	io.Copy(to, from)
	to.(halfCloser).CloseWrite()
	done <- struct{}{}
}

func relay(initiator net.Conn, network, address string) {
	defer initiator.Close()
	target, err := net.Dial(network, address)
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
	listenNetwork, listenAddress, _ := strings.Cut(os.Args[1], ":")
	targetNetwork, targetAddress, _ := strings.Cut(os.Args[2], ":")
	listener, err := net.Listen(listenNetwork, listenAddress)
	if err != nil {
		log.Fatal(err)
	}
	for {
		initiator, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go relay(initiator, targetNetwork, targetAddress)
	}
}
