package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
	"time"

	"locum/bff/secret"
)

// Call asks the Locum that runs on dir for one command and reads its answer into out. hidden goes with it, in the clear of
// this machine's own memory. ErrNobody: none runs there, and the caller may open the vault. *RemoteError: it refused. Any
// other error leaves open whether the command was obeyed.
func Call(ctx context.Context, dir, command string, in any, hidden secret.String, out any) error {
	conn, err := dial(ctx, dir)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	_ = conn.SetDeadline(time.Now().Add(askWait + answerWait))
	if err := samePeer(conn); err != nil {
		return err
	}
	input, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	line, err := json.Marshal(request{Command: command, Input: input, Secret: hidden.Reveal()})
	if err != nil || len(line) >= maxLine {
		return errors.New("control: the command is too long")
	}
	if _, err := conn.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	answer, err := readLine[response](conn)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrBroken, err)
	case answer.Error != "":
		return &RemoteError{answer.Error}
	}
	return json.Unmarshal(answer.Output, out)
}

// dial connects, or says that nobody listens: there is no socket, or the one there was left behind.
func dial(ctx context.Context, dir string) (*net.UnixConn, error) {
	if !supported {
		return nil, ErrNobody
	}
	path, done, err := reach(dir, FileName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNobody
	}
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	defer done()
	dialer := net.Dialer{Timeout: askWait}
	conn, err := dialer.DialContext(ctx, "unix", path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrNobody
	}
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	return conn.(*net.UnixConn), nil
}
