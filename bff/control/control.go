// Package control lets an operator's command reach the Locum that runs on the same data directory: a Unix socket in that
// directory, for the same user of the same machine alone, on which one line of JSON asks and one line answers. What it
// carries is bounded and ends by itself. It knows no command of its own and never carries a token or a private key; a client
// secret or a password travels inwards only, and is taken out of its wrapping nowhere else. bff listens, cmd/locum calls; it
// imports secret alone.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// FileName is the socket's name in the data directory.
const FileName = "control.sock"

// Bounds of one exchange. answerWait is longer than a command takes, be it the making of a large key.
const (
	maxLine    = 64 << 10
	askWait    = 5 * time.Second
	answerWait = 30 * time.Second
	atOnce     = 4 // exchanges; who comes then waits for their turn
)

// Errors of Listen and Call; test with errors.Is.
var (
	ErrNobody      = errors.New("control: no Locum runs on this data directory")
	ErrPeer        = errors.New("control: this is another user than the one that runs Locum: run the command as that user")
	ErrUnsupported = errors.New("control: this system does not say who calls")
	ErrBroken      = errors.New("control: the running Locum gave no answer")
)

// RemoteError is what the running Locum answered to a command that failed: its own text.
type RemoteError struct{ Message string }

func (e *RemoteError) Error() string { return e.Message }

// request is the line that asks.
type request struct {
	Command string          `json:"command"`
	Input   json.RawMessage `json:"input,omitempty"`
	Secret  string          `json:"secret,omitempty"`
}

// response is the line that answers.
type response struct {
	Error  string          `json:"error,omitempty"`
	Output json.RawMessage `json:"output,omitempty"`
}

// maxPath is what fits into a sockaddr_un wherever Locum runs, with room for the end of the name.
const maxPath = 90

// reach gives a short path to a file in dir: the name of a socket has room for about a hundred bytes, a path more. done gives
// it back.
func reach(dir, name string) (path string, done func(), err error) {
	path = filepath.Join(dir, name)
	if len(path) <= maxPath {
		return path, func() {}, nil
	}
	opened, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return filepath.Join("/proc/self/fd", strconv.Itoa(int(opened.Fd())), name), func() { _ = opened.Close() }, nil
}

// samePeer makes sure that the other end runs as the same user as this process.
func samePeer(conn *net.UnixConn) error {
	uid, err := peerOf(conn)
	if err != nil {
		return fmt.Errorf("control: who calls: %w", err)
	}
	if uid != os.Getuid() {
		return ErrPeer
	}
	return nil
}
