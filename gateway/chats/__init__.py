"""Chat services: each turns what people do into Incoming values, and posts into messages. They do not know each other."""
