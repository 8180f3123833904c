"""The dashboard: what people see at ``/``.

The server renders whole pages, so they work without JavaScript. The script only makes them
move: it listens at ``/ws``, puts new events on top, fetches the page again when something has
changed, and says since when what is shown is out of date. Styles and script are plain files,
nothing comes from elsewhere, and no inline style or script is used: the guard's policy forbids
them.

Whatever tests, tools and people have written is text: the templates escape it, and the script
only ever sets ``textContent``, or takes over elements that the server has escaped.

What can go wrong: a store that cannot be read, or a filter that makes no sense, is told on a
page of its own (503, 400). Without data each part says what would be there.
"""
