package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// standIn is what takes the place of net/http.
const standIn = "cmd/wasm/nethttp/http.go"

// writeOverlay writes the file for go build -overlay that empties net/http of the toolchain in use and puts the stand-in
// there. It runs at the top of the checkout.
func writeOverlay(path string) error {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("go env GOROOT: %w", err)
	}
	folder := filepath.Join(strings.TrimSpace(string(root)), "src", "net", "http")
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no net/http in %s", folder)
	}
	replace := map[string]string{}
	for _, file := range files {
		replace[file] = "" // absent
	}
	if replace[filepath.Join(folder, "http.go")], err = filepath.Abs(standIn); err != nil {
		return err
	}
	data, err := json.MarshalIndent(map[string]any{"Replace": replace}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
