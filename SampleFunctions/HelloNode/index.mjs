export const handler = async (event, context) => {
  const { name = 'world' } = parameters(event);
  console.log(`greeting ${name}`);
  return { message: `Hello, ${name}!`, requestId: context.awsRequestId };
};

// Called directly, the event is the parameters; over HTTP they are the request's body.
function parameters(event) {
  if (!('requestContext' in event)) return event;
  const body = event.body ?? '{}';
  return JSON.parse(event.isBase64Encoded ? Buffer.from(body, 'base64').toString() : body);
}
