package oauth

import "crypto/rsa"

// ParseKeys gives tests the reader of key sets without a server in front of it, for RS256 alone.
func ParseKeys(body []byte) (map[string]*rsa.PublicKey, error) {
	keys, err := parseKeys(body, []string{algorithm})
	if err != nil {
		return nil, err
	}
	all := make(map[string]*rsa.PublicKey, len(keys))
	for kid, key := range keys {
		all[kid] = key.key.(*rsa.PublicKey)
	}
	return all, nil
}
