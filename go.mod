module locum

go 1.26.0

require (
	github.com/alecthomas/kong v1.17.0 // the command line of cmd/locum
	github.com/alexedwards/argon2id v1.0.0 // password hashes (bff/account)
	github.com/andybalholm/brotli v1.2.8 // compresses the browser half in pure Go (cmd/assets)
	github.com/chromedp/cdproto v0.159.0 // the protocol chromedp speaks, used directly by e2e
	github.com/chromedp/chromedp v0.23.0 // drives a real browser (e2e)
	github.com/goccy/go-yaml v1.19.2 // a strict YAML reader with positions (bff/config)
	github.com/gofiber/fiber/v2 v2.52.15 // the router (bff alone)
	github.com/golang-jwt/jwt/v5 v5.3.1 // parses and checks JWTs (bff/oauth), mints them (bff/sandbox)
	github.com/maxence-charriere/go-app/v10 v10.1.11 // the WebAssembly app (app)
	github.com/rogpeppe/go-internal v1.16.0 // testscript: the command line, tested as shell sessions
	github.com/tink-crypto/tink-go/v2 v2.9.0 // AEAD with versioned keysets (bff/vault)
	github.com/valyala/fasthttp v1.74.0 // under Fiber and in the proxy; pinned, Fiber alone would choose one that takes two Content-Lengths
	go.etcd.io/bbolt v1.5.0 // the embedded store (bff/vault)
	golang.org/x/crypto v0.55.0 // argon2 beneath argon2id (bff/account)
	golang.org/x/term v0.45.0 // reads a password without echo (cmd/locum)
	golang.org/x/text v0.43.0 // NFC of passwords and logins (bff/account)
)

require (
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/klauspost/compress v1.20.0 // indirect
	github.com/mattn/go-colorable v0.1.13 // indirect
	github.com/mattn/go-isatty v0.0.20 // indirect
	github.com/mattn/go-runewidth v0.0.16 // indirect
	github.com/molecule-man/go-brrr v1.0.1 // indirect
	github.com/rivo/uniseg v0.2.0 // indirect
	github.com/valyala/bytebufferpool v1.0.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
	golang.org/x/tools v0.51.0 // indirect
	google.golang.org/protobuf v1.36.11 // indirect
)
