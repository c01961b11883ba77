package bff

import (
	"errors"
	"fmt"
	"testing"

	"github.com/gofiber/fiber/v2"

	"locum/bff/platform"
	"locum/shared"
)

// TestT086ExplainSaysNoMoreThanACode: an error of whatever origin becomes a code of the table; what it says of itself is
// kept for the log.
func TestT086ExplainSaysNoMoreThanACode(t *testing.T) {
	for _, c := range []struct {
		err  error
		code shared.Code
	}{
		{fiber.ErrNotFound, shared.CodeNotFound},
		{fiber.ErrMethodNotAllowed, shared.CodeMethodNotAllowed},
		{fiber.ErrRequestEntityTooLarge, shared.CodeTooLarge},
		{fiber.ErrRequestHeaderFieldsTooLarge, shared.CodeTooLarge},
		{fiber.ErrUnsupportedMediaType, shared.CodeUnsupportedMedia},
		{fiber.ErrTeapot, shared.CodeBadRequest},
		{fiber.NewError(fiber.StatusBadGateway, "CANARY"), shared.CodeInternal},
		{&platform.MethodError{Allow: []string{"GET"}}, shared.CodeMethodNotAllowed},
		{fmt.Errorf("CANARY: %w", platform.ErrNoOperation), shared.CodeNotFound},
		{errors.New("CANARY"), shared.CodeInternal},
		{errForbidden, shared.CodeForbidden},
	} {
		f := explain(fmt.Errorf("wrapped: %w", c.err))
		if _, known := meanings[f.code]; f.code != c.code || !known {
			t.Errorf("%v is %s, want %s", c.err, f.code, c.code)
		}
		if f == errForbidden || len(f.params) != 0 || f.err == nil {
			t.Errorf("%v: %+v", c.err, f)
		}
	}
}
