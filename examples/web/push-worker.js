// The service worker of the page: shows what the server pushes while the page is closed.
self.addEventListener('push', (event) => {
  const { conversation_id, conversation_name, sender_username, text } = event.data.json();
  const options = {
    body: `${sender_username}: ${text}`,
    tag: `conversation-${conversation_id}`,
    data: { conversation_id },
  };
  event.waitUntil(self.registration.showNotification(conversation_name, options));
});

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(clients.openWindow(`./#conversation-${event.notification.data.conversation_id}`));
});
