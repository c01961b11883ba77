package main

import (
	"context"
	"io"
	"net"
	"sync"

	"locum/bff/sandbox"
)

// Who the sandbox knows: Locum, and two people who work at the clinic.
const (
	clientID   = "locum-bench"
	callerOne  = "robin@example.test"
	callerTwo  = "alex@example.test"
	platformID = "jane"
)

// identity is the simulated identity server, behind a socket. The sandbox itself runs in process and takes the address of
// the bench's own upstream for a clinic, so its tokens are for that one.
type identity struct {
	*sandbox.Sandbox
	listener net.Listener
	served   sync.WaitGroup
}

func newIdentity(clinic, callback string) (*identity, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // returns at once
	if err != nil {
		return nil, err
	}
	box, err := sandbox.InProcess(sandbox.Options{IAM: listener.Addr().String(), ClinicA: clinic,
		Clients: []sandbox.Client{{ID: clientID, Name: "Locum", RedirectURIs: []string{callback}}}})
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	i := &identity{Sandbox: box, listener: listener}
	i.served.Go(i.accept)
	return i, nil
}

func (i *identity) accept() {
	for {
		conn, err := i.listener.Accept()
		if err != nil {
			return
		}
		i.served.Go(func() { i.join(conn) })
	}
}

// join copies between a socket and the sandbox until either end closes.
func (i *identity) join(conn net.Conn) {
	defer conn.Close()
	inside, err := i.Dial(context.Background(), "tcp", i.listener.Addr().String())
	if err != nil {
		return
	}
	defer inside.Close()
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(conn, inside)
		_ = conn.Close()
	}()
	_, _ = io.Copy(inside, conn)
	_ = inside.Close()
	<-back
}

func (i *identity) close() {
	_ = i.listener.Close()
	_ = i.Close()
	i.served.Wait()
}
