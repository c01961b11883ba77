package wire_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"locum/e2e/wire"
	"locum/shared"
)

// TestT085TooLargeThroughAFront: what is too large is told so through a proxy that sends on while Locum has answered and
// closed, and not turned into a failure of Locum's.
func TestT085TooLargeThroughAFront(t *testing.T) {
	for name, start := range map[string]func(*testing.T, string, string) *front{"nginx": startNginx, "HAProxy": startHAProxy} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			proxy := start(t, "", h.addr)
			for i := range 40 {
				size := 66_000 + i*20_000
				answers, _ := exchange(t, proxy.addr, false, wire.Head("POST", shared.PathActivity, h.host)+"Connection: close\r\nContent-Length: "+
					strconv.Itoa(size)+"\r\n\r\n", strings.Repeat("x", size))
				if len(answers) != 1 || answers[0].status != http.StatusRequestEntityTooLarge {
					t.Errorf("%d bytes: %+v", size, answers)
				}
			}
		})
	}
}
