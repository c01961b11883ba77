package proxy_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/tokens"
)

func (r *rig) styled(practitioner, connection string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	style, err := r.proxy.Style(ctx, practitioner, connection)
	return style.Values, err
}

const styleAt = "http://127.0.0.1:7001/styles/smart_v1.json"

// TestStyleValues: what comes of each member; nothing of the platform's text becomes part of a style sheet.
func TestStyleValues(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{`{}`, ""},
		{`{"color_error":"#9e2d2d","color_highlight":"#69b5ce","color_success":"#498e49","color_modal_backdrop":"#00000080"}`,
			"color_error:#9e2d2d color_highlight:#69b5ce color_modal_backdrop:#00000080 color_success:#498e49"},
		{`{"color_error":"#F00","color_highlight":"#0f08","color_success":"rgb(1, 2,3)","color_modal_backdrop":"rgba(255,255,255,0.5)"}`,
			"color_error:#ff0000 color_highlight:#00ff0088 color_modal_backdrop:#ffffff80 color_success:#010203"},
		{`{"color_text":"#303030","color_background":"#edeae3"}`, "color_background:#edeae3 color_text:#303030"},
		{`{"color_text":"#303030"}`, ""},
		{`{"color_background":"#303030"}`, ""},
		{`{"color_text":"#777","color_background":"#888"}`, ""},
		{`{"color_text":"#000000","color_background":"#ffffff00"}`, ""},
		{`{"color_text":"#00000000","color_background":"#ffffff"}`, ""},
		{`{"dim_border_radius":"6px","dim_font_size":"13px","dim_spacing_size":"1.250rem"}`, "dim_border_radius:6px dim_font_size:13px dim_spacing_size:1.25rem"},
		{`{"dim_border_radius":"0","dim_font_size":"100%","dim_spacing_size":"1EM"}`, "dim_border_radius:0px dim_font_size:100% dim_spacing_size:1em"},
		{`{"dim_border_radius":"99px","dim_font_size":"1px","dim_spacing_size":"100em"}`, ""},
		{`{"dim_border_radius":"-1px","dim_font_size":"calc(1px)","dim_spacing_size":"1e1px"}`, ""},
		{`{"dim_border_radius":"6 px","dim_font_size":".px","dim_spacing_size":"16"}`, ""},
		{`{"color_error":"red","color_success":"url(http://evil.example)","color_highlight":"#12","color_text":"#gggggg"}`, ""},
		{`{"color_error":"#9e2d2d;background:url(x)","color_success":"rgb(256,0,0)","color_highlight":"rgba(0,0,0)","color_modal_backdrop":"rgb(+1,0,0)"}`, ""},
		{`{"color_error":"#+12345","color_success":"#1_2","color_highlight":"rgba(0,0,0,2)","color_modal_backdrop":"rgb(0x1,0,0)"}`, ""},
		{`{"color_error":7,"color_success":null,"color_highlight":["#fff"],"dim_font_size":13}`, ""},
		{`{"font_family_body":"Georgia, Times","font_family_heading":"x","color_evil":"#fff","--x":"#fff"}`, ""},
		{"{\"color_error\":\"#9e2d2d\",\"color_success\":\" #498E49 \"}", "color_error:#9e2d2d color_success:#498e49"},
	} {
		t.Run(c.body, func(t *testing.T) {
			r, f := athena(t, setup{style: styleAt})
			f.always(jsonReply(200, c.body))
			got, err := r.styled("u1", "c0")
			must(t, err)
			want := map[string]string{}
			for pair := range strings.FieldsSeq(c.want) {
				name, value, _ := strings.Cut(pair, ":")
				want[name] = value
			}
			if !maps.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// TestStyleIsFetchedPlainly: once for all who ask, without a token or anything else of the practitioner's.
func TestStyleIsFetchedPlainly(t *testing.T) {
	r, f := athena(t, setup{style: styleAt + "?v=1"})
	f.always(jsonReply(200, `{"color_error":"#9e2d2d"}`))
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			if got, err := r.styled("u1", fmt.Sprint("c", i%2)); err != nil || len(got) != 1 {
				t.Errorf("%v %v", got, err)
			}
		})
	}
	all.Wait()
	if n := len(f.seen()); n != 1 {
		t.Errorf("%d requests", n)
	}
	wantRequest(t, f.last(t), "GET /styles/smart_v1.json?v=1 HTTP/1.1",
		[]string{"Host: 127.0.0.1:7001", "Accept: application/json", "Accept-Encoding: identity", "User-Agent: Locum"}, "")
	if clinic, _ := r.proxy.Budgets("athena", f.origin+"/v1/195900"); clinic.Remaining != clinic.Limit {
		t.Error("it cost a permit")
	}
	for _, q := range [][2]string{{"u2", "c0"}, {"u1", "random"}} {
		if _, err := r.styled(q[0], q[1]); tokens.KindOf(err) != tokens.NotFound {
			t.Errorf("%v: %v", q, err)
		}
	}
}

// TestT078StyleElsewhere: a style on a host that nobody has configured is none, and nobody is asked; neither is a redirect
// followed.
func TestT078StyleElsewhere(t *testing.T) {
	for _, at := range []string{"", "http://evil.example/style.json", "http://127.0.0.1:7002/style.json", "https://127.0.0.1:7001/style.json", "file:///etc/passwd",
		"http://127.0.0.1:7001@evil.example/", "http://user@127.0.0.1:7001/", "//127.0.0.1:7001/x", "/style.json", "http://127.0.0.1:7001/a b", "http://127.0.0.1:7001/\r\nX: y",
		"http://127.0.0.1:7001/#a", "http://127.0.0.1:7001\\@evil.example/", "http://127.0.0.1:7001/" + strings.Repeat("x", 3000)} {
		r, f := athena(t, setup{style: at})
		got, err := r.styled("u1", "c0")
		if err != nil || got == nil || len(got) > 0 || len(f.seen()) > 0 {
			t.Errorf("%q: %v %v after %d requests", at, got, err, len(f.seen()))
		}
		r.strangers.Range(func(host, _ any) bool { t.Errorf("%q: %s was dialled", at, host); return true })
	}
	for _, c := range []struct{ name, reply, code string }{
		{"redirect", reply(302, "Location: http://evil.example/", ""), "platform_bad_answer"},
		{"no JSON", reply(200, "Content-Type: text/css", "body{}"), "platform_bad_answer"},
		{"a list", jsonReply(200, "[]"), "platform_bad_answer"},
		{"bad UTF-8", jsonReply(200, "{\"a\":\"\xff\"}"), "platform_bad_answer"},
		{"too large", jsonReply(200, `{"a":"`+strings.Repeat("x", 70<<10)+`"}`), "platform_bad_answer"},
		{"compressed", reply(200, "Content-Encoding: gzip", "{}"), "platform_bad_answer"},
		{"500", reply(500, "", ""), "platform_bad_answer"},
		{"nothing", "", "platform_unavailable"},
		{"404", reply(404, "", ""), ""},
	} {
		t.Run("T078 "+c.name, func(t *testing.T) {
			r, f := athena(t, setup{style: styleAt})
			f.always(c.reply + andClose)
			got, err := r.styled("u1", "c0")
			if c.code == "" {
				must(t, err)
			} else {
				wantCode(t, err, c.code)
			}
			if len(got) > 0 || len(f.seen()) != 1 {
				t.Errorf("%v after %d requests", got, len(f.seen()))
			}
			r.strangers.Range(func(host, _ any) bool { t.Errorf("%s was dialled", host); return true })
		})
	}
}

// TestStyleIsKept: a day where it was read, a minute where it was not; whoever does not want to wait need not.
func TestStyleIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := athena(t, setup{style: styleAt})
		f.always(reply(500, "", ""))
		ask := func(want int) {
			t.Helper()
			_, _ = r.styled("u1", "c0")
			if n := len(f.seen()); n != want {
				t.Errorf("%d requests, want %d", n, want)
			}
		}
		ask(1)
		ask(1)
		time.Sleep(time.Minute + time.Second)
		f.always(jsonReply(200, "{}"))
		ask(2)
		time.Sleep(23 * time.Hour)
		ask(2)
		time.Sleep(2 * time.Hour)
		ask(3)
		time.Sleep(25 * time.Hour)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := r.proxy.Style(ctx, "u1", "c0"); err == nil {
			t.Error("nobody waited, and it was answered")
		}
	})
}

// TestStyleOfJane: Jane has none.
func TestStyleOfJane(t *testing.T) {
	f := newFake(t, "127.0.0.1:7001")
	r := newRig(t, setup{fakes: []*fake{f}})
	if got, err := r.styled("u1", "c0"); err != nil || len(got) > 0 {
		t.Errorf("%v %v", got, err)
	}
	r.proxy.Close()
	_, err := r.styled("u1", "c0")
	wantCode(t, err, "platform_unavailable")
}
