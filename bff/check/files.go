package check

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"locum/bff/vault"
)

// others is what a file's mode gives to anybody but its owner.
const others fs.FileMode = 0o077

// configMode: whoever can write the configuration decides where practitioners are sent.
func (c *checker) configMode() {
	path := c.report.File
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return // reading it says why
	}
	switch mode := info.Mode().Perm(); {
	case mode&0o002 != 0:
		c.file(Error, "files.config-writable", path, fmt.Sprintf("every user of this machine can change it (mode %04o)", mode), "chmod 0600 "+Quote(path))
	case mode&0o020 != 0:
		c.file(Warning, "files.config-writable", path, fmt.Sprintf("its group can change it (mode %04o)", mode), "chmod 0600 "+Quote(path)+", unless the group is yours alone")
	}
	c.dirMode(filepath.Dir(path))
}

// dirMode: whoever can write a directory can put another file in the place of one.
func (c *checker) dirMode(dir string) {
	info, err := os.Stat(dir)
	if err == nil && info.Mode()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		c.file(Error, "files.dir-writable", dir, fmt.Sprintf("every user of this machine can exchange the files in it (mode %04o)", info.Mode().Perm()),
			"chmod o-w "+Quote(dir))
	}
}

// dataDir looks at the directory that holds what is sealed, and at the names in it.
func (c *checker) dataDir() {
	dir := c.cfg.DataDir
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.space(filepath.Dir(dir))
		return // the first start makes it
	case err != nil:
		c.file(Error, "files.data-unreadable", dir, plain(err), "let Locum's user own it, or name another data_dir")
		return
	case !info.IsDir():
		c.file(Error, "files.data-unreadable", dir, "it is no directory", "name a directory of Locum's own as data_dir")
		return
	case info.Mode()&fs.ModeSticky != 0:
		c.file(Error, "files.data-shared", dir, "all users share this directory", "name a directory of Locum's own as data_dir")
		return
	case info.Mode().Perm() != 0o700 && vault.Exists(dir): // an empty one, as of a volume, the first start closes by itself
		c.file(Error, "files.data-mode", dir, fmt.Sprintf("its mode is %04o", info.Mode().Perm()), "chmod 0700 "+Quote(dir))
	}
	c.space(dir)
	c.contents(dir)
}

// contents looks at the modes of the files in the data directory: the vault, the audit trail, and what is beside them.
func (c *checker) contents(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		c.file(Error, "files.data-unreadable", dir, plain(err), "run this as Locum's user")
		return
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&others != 0 {
			c.file(Error, "files.data-mode", path, fmt.Sprintf("others may read or change it (mode %04o)", info.Mode().Perm()), "chmod 0600 "+Quote(path))
		}
	}
}

// lowSpace is where a vault that has to be rewritten and an audit trail that must not stop come into danger.
const lowSpace = 256 << 20

func (c *checker) space(dir string) {
	if free, ok := freeSpace(dir); ok && free < lowSpace {
		c.file(Warning, "files.disk-low", dir, fmt.Sprintf("only %d MB are free: when nothing is, Locum refuses calls, because none goes unrecorded", free>>20),
			"make room, or move data_dir to a larger disk")
	}
}

// masterKey reads the key, or says why it cannot be.
func (c *checker) masterKey() (vault.MasterKey, bool) {
	path := c.cfg.MasterKeyFile
	c.keyBesideCopy(path)
	if dir := filepath.Dir(path); dir != filepath.Dir(c.report.File) {
		c.dirMode(dir)
	}
	key, err := vault.ReadKeyFile(path)
	if err == nil {
		return key, true
	}
	info, statErr := os.Stat(path)
	switch {
	case errors.Is(statErr, fs.ErrNotExist) && vault.Exists(c.cfg.DataDir):
		c.file(Error, "files.key-missing", path, "there is no such file, and nothing else opens the vault in "+c.cfg.DataDir,
			"put the copy of the master key back, or name the file that holds it as master_key_file")
	case errors.Is(statErr, fs.ErrNotExist):
		c.file(Error, "files.key-missing", path, "there is no such file", "create it with "+c.command("keys create"))
	case statErr == nil && info.Mode().IsRegular() && info.Mode().Perm()&others != 0:
		c.file(Error, "files.key-mode", path, fmt.Sprintf("others may read or change the master key (mode %04o)", info.Mode().Perm()),
			"chmod 0600 "+Quote(path)+"; if others may have read it, begin with a new key and new client secrets")
	case statErr != nil, errors.Is(err, fs.ErrPermission):
		c.file(Error, "files.key-unreadable", path, plain(err), "run this as Locum's user, which has to own the file")
	default:
		c.file(Error, "files.key-invalid", path, "it does not hold a master key", "put the copy of the master key back")
	}
	return vault.MasterKey{}, false
}

// keyBesideCopy looks for copies of the vault in the directory of its key: whoever gets that directory has both.
func (c *checker) keyBesideCopy(path string) {
	dir := filepath.Dir(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if entry.Type().IsRegular() && strings.HasPrefix(entry.Name(), vault.FileName) {
			c.file(Warning, "files.key-beside-copy", filepath.Join(dir, entry.Name()), "a copy of the vault lies beside the key that opens it",
				"keep copies of the vault and of the key in different places")
			return
		}
	}
}
