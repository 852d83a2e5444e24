import 'a-module-that-nobody-has';
export const handler = async () => 1;
