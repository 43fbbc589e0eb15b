"""Values in, text out. Renderers know no check and no repository; they do not print."""
