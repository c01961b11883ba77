// Package http stands in for net/http in the WebAssembly build alone, by the overlay that cmd/assets writes. go-app
// mentions net/http for its server half, which never runs in a browser; linking the real one would add TLS, HTTP/2 and
// multipart to what every first visit downloads: 300 kB of brotli. Every function here answers that there is no HTTP, and
// whatever go-app needs beyond these names fails the build, so it can never be wrong silently. Nothing imports it by path.
package http

import (
	"errors"
	"io"
	"io/fs"
	"net/url"
)

// The names that go-app uses, with the values of net/http.
const (
	MethodGet                 = "GET"
	StatusOK                  = 200
	StatusNotModified         = 304
	StatusNotFound            = 404
	StatusInternalServerError = 500
)

// ErrNoHTTP is the answer of every request: in the browser the app fetches through the page.
var ErrNoHTTP = errors.New("net/http is not part of the browser half")

// Header is never sent or received.
type Header map[string][]string

// Get answers nothing.
func (Header) Get(string) string { return "" }

// Set does nothing.
func (Header) Set(string, string) {}

// Add does nothing.
func (Header) Add(string, string) {}

// Request is never made.
type Request struct {
	Method string
	URL    *url.URL
	Host   string
	TLS    *struct{}
	Header Header
	Body   io.ReadCloser
}

// Response is never received.
type Response struct {
	Status     string
	StatusCode int
	Header     Header
	Body       io.ReadCloser
}

// ResponseWriter is never given to a Handler.
type ResponseWriter interface {
	Header() Header
	Write([]byte) (int, error)
	WriteHeader(int)
}

// Handler is never called.
type Handler interface {
	ServeHTTP(ResponseWriter, *Request)
}

// Client never connects.
type Client struct{}

// DefaultClient never connects.
var DefaultClient = &Client{}

// Do answers ErrNoHTTP.
func (*Client) Do(*Request) (*Response, error) { return nil, ErrNoHTTP }

// Get answers ErrNoHTTP.
func Get(string) (*Response, error) { return nil, ErrNoHTTP }

// NewRequest answers ErrNoHTTP.
func NewRequest(string, string, io.Reader) (*Request, error) { return nil, ErrNoHTTP }

// ListenAndServe answers ErrNoHTTP.
func ListenAndServe(string, Handler) error { return ErrNoHTTP }

// Handle does nothing.
func Handle(string, Handler) {}

// NotFound does nothing.
func NotFound(ResponseWriter, *Request) {}

// FileSystem opens nothing.
type FileSystem interface {
	Open(name string) (File, error)
}

// File is never opened.
type File interface {
	io.ReadSeekCloser
	Readdir(count int) ([]fs.FileInfo, error)
	Stat() (fs.FileInfo, error)
}

// Dir is a directory that holds nothing.
type Dir string

// Open answers ErrNoHTTP.
func (Dir) Open(string) (File, error) { return nil, ErrNoHTTP }

// FileServer serves nothing.
func FileServer(FileSystem) Handler { return nothing{} }

type nothing struct{}

func (nothing) ServeHTTP(ResponseWriter, *Request) {}
