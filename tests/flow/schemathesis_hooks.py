"""For schemathesis, which reads `integer` as JSON Schema does: there 2.0 is one. Our services want
a whole number as it is written, and say so in the document."""
import schemathesis


def is_written_as_declared(value):
    if isinstance(value, dict):
        return all(is_written_as_declared(each) for each in value.values())
    return not isinstance(value, float) or not value.is_integer()


@schemathesis.hook
def filter_body(context, body):
    return is_written_as_declared(body)
