package vault_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
)

// TestT071Credential: a file of root's of mode 0440 is what systemd makes of a credential, and is taken; with another owner,
// another group or one more right it is not.
func TestT071Credential(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	content := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)) + "\n"
	for _, c := range []struct {
		name     string
		uid, gid int
		mode     os.FileMode
		ok       bool
	}{
		{"T071 root's", 0, 0, 0o440, true},
		{"T071 writable for root's group", 0, 0, 0o460, false},
		{"T071 readable for everybody", 0, 0, 0o444, false},
		{"T071 another group's", 0, 1234, 0o440, false},
		{"T071 another owner's", 1234, 0, 0o440, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "master.key")
			writeFile(t, path, []byte(content))
			if err := os.Chown(path, c.uid, c.gid); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			checkKeyFile(t, path, content, c.ok)
		})
	}
}
