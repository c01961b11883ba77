package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"locum/bff/secret"
)

// Handler obeys one command. hidden is what the operator typed that nobody may see, empty where the command takes nothing of
// the kind. What it gives is sent as JSON; of an error the text, which must quote nothing that is secret. ctx ends with the
// Server, or when nobody waits for the answer any more.
type Handler func(ctx context.Context, input json.RawMessage, hidden secret.String) (any, error)

// Server listens until Close.
type Server struct {
	path     string
	handlers map[string]Handler
	log      *slog.Logger
	listener *net.UnixListener
	turn     chan struct{}

	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup
}

// Listen makes the socket in dir, 0600, in place of one that a process left that was killed: whoever calls Listen holds the
// data directory's vault, so no other Locum can be listening there.
func Listen(dir string, handlers map[string]Handler, log *slog.Logger) (*Server, error) {
	if !supported {
		return nil, ErrUnsupported
	}
	listener, err := bind(dir)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	s := &Server{path: filepath.Join(dir, FileName), handlers: handlers, log: log, listener: listener, turn: make(chan struct{}, atOnce)}
	s.life, s.end = context.WithCancel(context.Background())
	s.work.Add(1)
	go s.accept()
	return s, nil
}

// bind listens under another name first, so that the socket has its mode by the time anybody finds it.
func bind(dir string) (*net.UnixListener, error) {
	const fresh = FileName + ".new"
	path, done, err := reach(dir, fresh)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // it has another name by then
	err = os.Chmod(path, 0o600)
	if err == nil {
		err = os.Rename(filepath.Join(dir, fresh), filepath.Join(dir, FileName))
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close(), os.Remove(path))
	}
	return listener, nil
}

// Close takes the socket away, lets commands that have begun come to their end, and waits for them.
func (s *Server) Close() error {
	err := os.Remove(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	err = errors.Join(err, s.listener.Close())
	s.end()
	s.work.Wait()
	return err
}

func (s *Server) accept() {
	defer s.work.Done()
	for {
		select {
		case s.turn <- struct{}{}:
		case <-s.life.Done():
			return
		}
		conn, err := s.listener.AcceptUnix()
		if err != nil {
			if s.life.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			<-s.turn
			select { // too many open files, say: it may pass
			case <-time.After(time.Second):
			case <-s.life.Done():
				return
			}
			continue
		}
		s.work.Add(1)
		go func() {
			defer s.work.Done()
			defer func() { <-s.turn }()
			s.serve(conn)
		}()
	}
}

// serve answers one connection: one line, one answer, the end.
func (s *Server) serve(conn *net.UnixConn) {
	defer conn.Close()
	stop := context.AfterFunc(s.life, func() { _ = conn.SetReadDeadline(time.Now()) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(askWait))
	if err := samePeer(conn); err != nil {
		s.log.Warn("a command was refused", "error", err)
		s.answer(conn, response{Error: err.Error()})
		return
	}
	asked, err := readLine[request](conn)
	if err != nil {
		return // nobody of ours speaks like that
	}
	_ = conn.SetDeadline(time.Now().Add(answerWait))
	s.answer(conn, s.run(asked))
}

func (s *Server) run(asked request) response {
	handler, known := s.handlers[asked.Command]
	if !known {
		return response{Error: fmt.Sprintf("the running Locum knows no command %.40q: it may be of another version", asked.Command)}
	}
	ctx, cancel := context.WithTimeout(s.life, answerWait)
	defer cancel()
	s.log.Info("command", "command", asked.Command)
	output, err := handler(ctx, asked.Input, secret.New(asked.Secret))
	if err != nil {
		return response{Error: err.Error()}
	}
	raw, err := json.Marshal(output)
	if err != nil {
		return response{Error: "the answer cannot be written down"}
	}
	return response{Output: raw}
}

func (s *Server) answer(conn net.Conn, r response) {
	line, err := json.Marshal(r)
	if err == nil {
		_, err = conn.Write(append(line, '\n'))
	}
	if err != nil {
		s.log.Warn("the answer to a command was not sent", "error", err)
	}
}

// readLine reads one line of JSON of a known form.
func readLine[T any](from io.Reader) (v T, err error) {
	reader := bufio.NewReaderSize(io.LimitReader(from, maxLine), 4096)
	line, err := reader.ReadBytes('\n')
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal(line, &v)
}
