package oauth

// ParseKeys gives tests the reader of key sets without a server in front of it.
var ParseKeys = parseKeys
