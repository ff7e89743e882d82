import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BusPeers } from './bus-peers.js';

let losses: (number | undefined)[];
let peers: BusPeers;
beforeEach(() => {
  vi.useFakeTimers();
  losses = [];
  peers = new BusPeers((partition) => losses.push(partition));
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the other nodes of the bus', () => {
  it('report no loss while every frame arrives', () => {
    peers.onHeartbeat('a', [0, 0], 0);
    for (const count of [1, 2, 3]) peers.onFrame('a', 1, count);
    peers.onHeartbeat('a', [0, 3], 1000);
    vi.advanceTimersByTime(1000);
    peers.check(1001);
    expect(losses).toEqual([]);
  });

  it('report the partition of a missing frame when the next one arrives', () => {
    peers.onHeartbeat('a', [0, 0], 0);
    peers.onFrame('a', 1, 1);
    peers.onFrame('a', 1, 3);
    expect(losses).toEqual([1]);
  });

  it('report the partition of a missing last frame after a heartbeat, unless it arrives a moment later', () => {
    peers.onHeartbeat('a', [0, 0], 0);
    peers.onHeartbeat('a', [1, 1], 1000);
    peers.onFrame('a', 0, 1);
    vi.advanceTimersByTime(1000);
    expect(losses).toEqual([1]);
    peers.onHeartbeat('a', [1, 1], 2000);
    vi.advanceTimersByTime(1000);
    expect(losses).toEqual([1]); // once
  });

  it('report a loss of everything when a lease ends, and when a node is heard that has published before', () => {
    peers.onHeartbeat('a', [0, 0], 0);
    peers.check(3999);
    expect(losses).toEqual([]);
    peers.check(4000);
    expect(losses).toEqual([undefined]);
    peers.onHeartbeat('a', [0, 1], 5000);
    expect(losses).toEqual([undefined, undefined]);
    peers.onHeartbeat('b', [0, 0], 5000);
    expect(losses).toHaveLength(2);
  });

  it('report no loss for a node that announces its shutdown', () => {
    peers.onHeartbeat('a', [0, 0], 0);
    peers.onFrame('a', 1, 1);
    peers.onShutdown('a', [0, 1]);
    vi.advanceTimersByTime(10_000);
    peers.check(10_000);
    expect(losses).toEqual([]);
  });
});
