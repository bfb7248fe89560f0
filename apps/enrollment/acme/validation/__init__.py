"""Does a client control the name it asks for? RFC 8555 section 8."""
