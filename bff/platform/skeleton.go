package platform

import (
	"context"
	"errors"
	"net"
	"time"

	"locum/bff/oauth"
	"locum/bff/secret"
	"locum/bff/throttle"
)

type Platform struct {
	ID, Kind, Name        string
	Server                oauth.Server
	ClientID, RedirectURI string
	Scopes                []string
	OpenID                bool
	ClinicDomains         []string
	Clinics               []ClinicLink
	Hint                  string
	Operations            []Operation
	Limits                throttle.Limits
	Timeout               time.Duration
	MaxAnswer             int
}
type ClinicLink struct{ Name, URL string }
type JaneConfig struct {
	ID, Name, Issuer, ClientID, PublicURL string
	Scopes                                []string
	OpenID                                bool
	Clinics                               []ClinicLink
	ClinicDomains                         []string
	Limits                                *throttle.Limits
}

func Jane(JaneConfig) (*Platform, error) { panic("todo") }

type Operation struct {
	ID, Method, Path, Version, Scope, Class string
	Write                                   bool
	Params                                  []string
	RecordParam                             string
}
type Path struct{ raw string }

func ParsePath(raw string) (Path, error) { panic("todo") }
func (p Path) String() string            { return p.raw }
func (p Path) Segments() []string        { panic("todo") }

// After is the path without its first n segments.
func (p Path) After(n int) Path { panic("todo") }

type Call struct {
	*Operation
	Path   string
	Record string
}

func (p *Platform) Match(method string, path Path) (Call, error) { panic("todo") }
func (o *Operation) Query(raw string) (string, error)            { panic("todo") }

type Clinic struct{ Origin, Host, Name string }

func (p *Platform) Clinic(input string) (Clinic, error) { panic("todo") }

type Grant struct {
	Subject, SID                string
	Scopes, Roles, StaffMembers []string
}

func (p *Platform) Grant(claims oauth.Claims, clinic string) (Grant, error) { panic("todo") }
func (p *Platform) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	panic("todo")
}

type Registry struct{}
type Live struct {
	*Platform
	OAuth    *oauth.Client
	DialFunc oauth.DialFunc
}

func NewRegistry(platforms []*Platform, secretOf func(id string) (secret.String, error), dial oauth.DialFunc) (*Registry, error) {
	panic("todo")
}
func (r *Registry) Get(id string) (*Live, error) { panic("todo") }
func (r *Registry) All() []*Live                 { panic("todo") }
func (r *Registry) Close()                       { panic("todo") }

var (
	ErrUnsafePath      = errors.New("unsafe path")
	ErrNoOperation     = errors.New("no such operation")
	ErrUnknownPlatform = errors.New("unknown platform")
)

type MethodError struct{ Allow []string }

func (e *MethodError) Error() string { panic("todo") }

type QueryError struct{ Param, Reason string }

func (e *QueryError) Error() string { panic("todo") }

type ClinicError struct{ Reason string }

func (e *ClinicError) Error() string { panic("todo") }

type GrantError struct{ Code, Reason string }

func (e *GrantError) Error() string { panic("todo") }
