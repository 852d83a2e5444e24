#pragma once
// Fork support for Node templates: a Node-API addon that works with every Node from 20 on without its headers.
