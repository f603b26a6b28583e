"""Runs one file of the Eclipse Paho interoperability suite against a broker on any port.

    python3 suite.py FOLDER client_test|client_test5 HOST PORT [TEST ...]

The files read their settings from global variables that only their own `__main__` sets (and the 3.1.1 file hands its
options on to unittest, which refuses them), so this sets the same variables and starts unittest itself.
"""

import logging
import sys
import unittest

LEVELS = ["TopicA", "TopicA/B", "Topic/C", "TopicA/C", "/TopicA"]
WILDCARDS = ["TopicA/+", "+/C", "#", "/#", "/+", "+/+", "TopicA/#"]


def main():
    folder, name, host, port, *tests = sys.argv[1:]
    sys.path.insert(0, folder)
    logging.getLogger().setLevel(logging.ERROR)
    suite = __import__(name)
    prefix = "client_test5/" if name == "client_test5" else ""
    suite.host, suite.port, suite.topic_prefix = host, int(port), prefix
    suite.topics = [prefix + topic for topic in LEVELS]
    suite.wildtopics = [prefix + topic for topic in WILDCARDS]
    suite.nosubscribe_topics = ("test/nosubscribe",)
    # This one undoes the prefix, with which the file's own `__main__` keeps other clients' topics away.
    suite.setData = lambda: None
    if not prefix:
        # Named so that unittest does not find it; it passes or fails like the others.
        suite.Test.test_will_message = suite.Test.will_message_test
    unittest.main(module=suite, warnings="ignore", argv=[name, "-v", *(f"Test.{test}" for test in tests)])


main()
