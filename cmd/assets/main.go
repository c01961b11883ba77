// Command assets is the build step around the WebAssembly half, pure Go, so that `make demo` needs nothing but Go and
// make. Before the build it writes the overlay that keeps net/http out of it; after it, it compresses app.wasm for
// embedding: app.wasm.br (brotli, quality 11) and app.wasm.gz. The raw file is not embedded; the rare client that accepts
// neither gets the gzip form unpacked. It is no part of the product.
package main

import (
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/andybalholm/brotli"
)

func main() {
	overlay := flag.String("overlay", "", "write the overlay of the WebAssembly build to this file, and stop")
	in := flag.String("in", "", "the file to compress")
	out := flag.String("out", "", "the directory for the compressed files")
	flag.Parse()
	err := error(nil)
	if *overlay != "" {
		err = writeOverlay(*overlay)
	} else {
		err = run(*in, *out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "assets:", err)
		os.Exit(1)
	}
}

func run(in, out string) error {
	raw, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	target := filepath.Join(out, filepath.Base(in))
	gz, err := compress(target+".gz", raw, func(w io.Writer) (io.WriteCloser, error) {
		return gzip.NewWriterLevel(w, gzip.BestCompression)
	})
	if err != nil {
		return err
	}
	br, err := compress(target+".br", raw, func(w io.Writer) (io.WriteCloser, error) {
		return brotli.NewWriterOptions(w, brotli.WriterOptions{Quality: brotli.BestCompression, LGWin: 24}), nil
	})
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes, gzip %d, brotli %d\n", in, len(raw), gz, br)
	return nil
}

// compress writes raw through one compressor into path by way of a temporary file, so that an interrupted build never
// leaves half a file for the next one to embed. It answers the compressed size in bytes.
func compress(path string, raw []byte, writer func(io.Writer) (io.WriteCloser, error)) (int64, error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".assets-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	w, err := writer(file)
	if err != nil {
		return 0, err
	}
	if _, err := w.Write(raw); err != nil {
		return 0, fmt.Errorf("compress %s: %w", path, err)
	}
	if err := w.Close(); err != nil {
		return 0, fmt.Errorf("compress %s: %w", path, err)
	}
	if err := file.Chmod(0o644); err != nil {
		return 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), os.Rename(file.Name(), path)
}
