"""Names devices in the list of a member's sessions, from the browser's User-Agent.

A client can send any User-Agent, so nothing is decided by the name; it only helps members to recognise their own
devices.
"""

# The first entry that matches counts: Edge and Opera also name Chrome, and Chrome also names Safari (MDN, "Browser
# detection using the user agent string").
BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"), ("CriOS/", "Chrome"),
            ("Chrome/", "Chrome"), ("Safari/", "Safari"))  # fmt: skip
SYSTEMS = (("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"),
           ("Mac OS X", "Mac"), ("Macintosh", "Mac"), ("CrOS", "ChromeOS"), ("Linux", "Linux"))  # fmt: skip
UNKNOWN = "Unknown device"


def of_user_agent(user_agent: str) -> str:
    """Return browser and system, as in "Firefox, Windows"; only one of them if the other is unknown."""
    found = [next((name for mark, name in known if mark in user_agent), None) for known in (BROWSERS, SYSTEMS)]
    return ", ".join(name for name in found if name) or UNKNOWN
