package wire_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"locum/shared"
)

// past is a published vulnerability of this field, or several of one class. Exactly one of the last three is set: what is
// done to Locum anew, the test elsewhere that does it where no socket reaches, or why it cannot happen here.
type past struct {
	ids     string
	product string
	class   string
	again   func(t *testing.T, h *house)
	stands  string // folder and test
	never   string
}

// pasts are all that were published about programs that do what Locum does, or are made of what it is made of.
var pasts = slices.Concat(requestPasts, sessionPasts, flowPasts, otherPasts)

// otherPasts are those that no request to Locum can replay.
var otherPasts = []past{
	{ids: "CVE-2021-21411", product: "oauth2-proxy", class: "an authorization option silently did nothing", stands: "bff/config TestEveryKey"},
	{ids: "CVE-2026-53624", product: "Fiber v3", class: "HSTS never sent", stands: "bff TestT097HeadersOnEveryAnswer"},
	{ids: "CVE-2021-32791", product: "mod_auth_openidc", class: "fixed nonce and AAD in AES-GCM", stands: "bff/vault TestT065NoncesDiffer"},
	{ids: "#2274", product: "fasthttp", class: "TLS not verified for a malformed address", stands: "bff/oauth TestT030Addresses"},
	{ids: "CVE-2025-27144, CVE-2024-28180, GHSA-2c7c, CVE-2026-34986", product: "go-jose", class: "memory, zip bomb, billion hashes, JWE", stands: "bff/oauth TestT045Cheap"},
	{ids: "GHSA-c5qf-v26h-rp5r", product: "Fiber", class: "idempotency lock table never shrinks", never: "Locum keeps nothing per Idempotency-Key: it passes the header on"},
	{ids: "CVE-2025-26620", product: "Duende", class: "concurrent client_credentials share a token", never: "there are no client_credentials yet; a person's token hangs on the connection, whose scopes and clinic never vary by call"},
	{ids: "CVE-2024-49755", product: "Duende IdentityServer", class: "DPoP cnf not checked", never: "DPoP is not used: no platform offers it"},
	{ids: "CVE-2025-55000, CVE-2025-55003", product: "OpenBao", class: "a TOTP code used twice", never: "there are no one-time passwords"},
	{ids: "CVE-2021-43998", product: "Vault", class: "a new user inherits from a deleted one", never: "accounts are disabled, never deleted, and their ids are random"},
	{ids: "CVE-2024-27304, CVE-2026-33815, -33816", product: "pgx", class: "a long message splits into SQL", never: "there is no SQL: the store is bbolt"},
}

// TestPastVulnerabilities replays each where it applies.
func TestPastVulnerabilities(t *testing.T) {
	h := open(t)
	replayed := 0
	for _, p := range pasts {
		t.Run(p.ids+" "+p.class, func(t *testing.T) {
			switch {
			case p.again != nil:
				p.again(t, h)
				replayed++
			case p.stands != "":
				folder, name, _ := strings.Cut(p.stands, " ")
				if !hasTest(t, folder, name) {
					t.Errorf("%s is not there", p.stands)
				}
			case p.never == "":
				t.Error("neither replayed nor explained")
			}
		})
		if !h.alive() {
			t.Fatalf("after %s nothing works any more", p.ids)
		}
	}
	t.Logf("%d of the past: %d replayed on sockets", len(pasts), replayed)
}

// alive says whether the first practitioner is still signed in and connected. It costs nothing of the clinic's budget.
func (h *house) alive() bool {
	status, body := h.ask(h.people[0], "GET", shared.PathConnections+"/"+h.connection, "", "")
	return status == 200 && bytes.Contains(body, []byte(shared.StateConnected))
}

func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(folder), "*_test.go"))
	must(t, err)
	for _, file := range files {
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		must(t, err)
		for _, declared := range source.Decls {
			if f, is := declared.(*ast.FuncDecl); is && f.Name.Name == name {
				return true
			}
		}
	}
	return false
}

// TestNoPastIsForgotten compares with the list that this suite is made from, where that is at hand.
func TestNoPastIsForgotten(t *testing.T) {
	list, err := os.ReadFile("../../../shared/security/cve-cases.md")
	if err != nil {
		t.Skip("the list of past vulnerabilities is not at hand")
	}
	known := ""
	for _, p := range pasts {
		known += p.ids + "\n"
	}
	id := regexp.MustCompile(`CVE-\d{4}-\d{4,}|GHSA(-[0-9a-z]{4})+|GO-\d{4}-\d+|#\d{4,}`)
	n := 0
	for line := range bytes.Lines(list) {
		cells := strings.Split(string(line), "|")
		if len(cells) < 5 {
			continue
		}
		for _, found := range id.FindAllString(cells[1], -1) {
			n++
			if !strings.Contains(known, found) {
				t.Errorf("%s is missing: %s", found, cells[3])
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d ids were read", n)
	}
}
