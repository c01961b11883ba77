package vault

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"locum/bff/secret"
)

const masterKeySize = 32

// MasterKey wraps the keyset of a database. It comes from a key file and never prints.
type MasterKey struct{ key secret.String } // 32 raw bytes

// KeyFileError says why a key file cannot be used.
type KeyFileError struct {
	Path   string
	Reason string // cause and repair in one phrase
	Err    error  // nil, or the system's error
}

func (e *KeyFileError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("vault: master key file %s: %s: %v", e.Path, e.Reason, e.Err)
	}
	return fmt.Sprintf("vault: master key file %s: %s", e.Path, e.Reason)
}

func (e *KeyFileError) Unwrap() error { return e.Err }

// CreateKeyFile writes a new random key: one line of standard base64, mode 0600. A file that is already there stays as it
// is, and is an error.
func CreateKeyFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return &KeyFileError{Path: path, Reason: "cannot be created", Err: err}
	}
	var key [masterKeySize]byte
	_, _ = rand.Read(key[:])
	_, err = fmt.Fprintln(f, base64.StdEncoding.EncodeToString(key[:]))
	err = errors.Join(err, f.Sync(), f.Close(), syncDir(filepath.Dir(path)))
	if err != nil {
		return &KeyFileError{Path: path, Reason: "cannot be written", Err: err}
	}
	return nil
}

// ReadKeyFile reads a key that CreateKeyFile wrote. A file that its group or others may read or write is refused: the key
// must be taken for known. All errors are *KeyFileError. A credential that systemd gives to a service with a user of its own
// is no such file, though its group may read it (rootsAlone).
func ReadKeyFile(path string) (MasterKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return MasterKey{}, &KeyFileError{Path: path, Reason: "cannot be opened", Err: err}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return MasterKey{}, &KeyFileError{Path: path, Reason: "cannot be examined", Err: err}
	}
	if !info.Mode().IsRegular() {
		return MasterKey{}, &KeyFileError{Path: path, Reason: "is not a regular file"}
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && !rootsAlone(info) {
		return MasterKey{}, &KeyFileError{Path: path,
			Reason: fmt.Sprintf("is open to other users (mode %04o); make it 0600, and a new key if others may have read it", mode)}
	}
	line, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return MasterKey{}, &KeyFileError{Path: path, Reason: "cannot be read", Err: err}
	}
	return parseKey(path, line)
}

// rootsAlone says whether a file is root's, read-only, and nobody's beside but root's own group's. systemd (254 and later)
// makes credentials so: what shows as the group's right to read is the mask of an access list with the service's user in it.
func rootsAlone(info os.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	return ok && owner.Uid == 0 && owner.Gid == 0 && info.Mode().Perm() == 0o440
}

func parseKey(path string, line []byte) (MasterKey, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(string(bytes.TrimRight(line, "\r\n")))
	if err != nil || len(key) != masterKeySize {
		// The decoder's error is left out: it tells where in the key it stumbled.
		return MasterKey{}, &KeyFileError{Path: path, Reason: "does not hold one line of base64 that stands for 32 bytes"}
	}
	return MasterKey{key: secret.New(string(key))}, nil
}
